"""A source as the readers see it: a store that covers it, and the tables in it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet.importing.listing import Found, hidden, is_picture
from ratchet.store import Store

_OWN_SPLIT = re.compile(r"(train|training|validation|valid|val|dev|test)(?:[-_.].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """One file of rows. `name` is shown to people; `split` is what its name or folder says of its split."""

    key: str
    name: str
    format: str
    split: str | None = None

    @property
    def folder(self) -> str:
        """Pictures' paths are relative to this."""
        return self.key.rpartition("/")[0]


@dataclass(frozen=True)
class RawRow:
    """A row as it stands: its values, or why there are none (reason, detail).

    `name` is what its table calls it, where it does; `hidden` counts the hidden files passed over on the way to it.
    """

    table: Table
    number: int
    values: dict[str, Any]
    problem: tuple[str, str] | None = None
    name: str | None = None
    hidden: int = 0


@dataclass(frozen=True)
class Loose:
    """Picture files, each as a table of one row. They are listed anew each time: their names are not kept."""

    found: Callable[[], Iterable[Found]]
    base: str

    def __iter__(self) -> Iterator[Table]:
        for name, _, odd in self.found():
            if odd is None and is_picture(name) and not hidden(name):
                yield Table(self.base + name, name, "picture", split_hint(name))


@dataclass(frozen=True)
class Source:
    """A store that covers the source, the tables in it, and a hash of the listing: names, sizes, and etags or times.

    `local` is the store's folder on this machine, where it is one. `whole`: all that lies there is the source, not only
    files that were named. `left_out` counts by kind the files that are neither tables nor pictures.
    """

    store: Store
    tables: Iterable[Table]
    listing: str
    local: Path | None = None
    whole: bool = True
    left_out: Mapping[str, int] = field(default_factory=dict)

    def leads_out(self, key: str) -> bool:
        """Whether a symbolic link takes `key` out of the source."""
        return self.local is not None and not Path(os.path.realpath(self.local / key)).is_relative_to(
            os.path.realpath(self.local)
        )


def split_hint(name: str) -> str | None:
    """`train` for train-00000-of-00001.parquet, train.jsonl and train/0.parquet."""
    for part in reversed(os.path.splitext(name)[0].split("/")):
        if match := _OWN_SPLIT.fullmatch(part):
            return match[1].lower()
    return None
