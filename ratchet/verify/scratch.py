"""Let an engine, or the tools of verifiers, look at other pictures for a while: those made for a verdict, or another split's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ratchet.artifacts import ImageBank


class Looking(Protocol):
    """What looks its pictures up in a bank."""

    bank: ImageBank


@contextmanager
def showing(looking: Looking, pictures: ImageBank) -> Iterator[None]:
    """It looks its pictures up in `pictures` while the block runs."""
    before, looking.bank = looking.bank, pictures
    try:
        yield
    finally:
        looking.bank = before
