"""Let an engine look at pictures that are made for a verdict and forgotten after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ratchet.artifacts import ImageBank
from ratchet.generate.engine import Engine


@contextmanager
def showing(engine: Engine, pictures: ImageBank) -> Iterator[None]:
    """The engine looks its pictures up in `pictures` while the block runs."""
    before, engine.bank = engine.bank, pictures
    try:
        yield
    finally:
        engine.bank = before
