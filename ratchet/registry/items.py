"""Which items a look sees: hashes of their clusters, kept beside the ledger, so that looks at the same items are known.

    <root>/looks/items/<digest>.json        the clusters of one holdout or suite, written before any look at them

A set that was imported again, has grown, or is asked in part has another digest and the same clusters. A cluster is its
split_key; where a suite gives names of its own, the suite's name belongs to it.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress

from ratchet import canonical
from ratchet.errors import Conflict, StoreError
from ratchet.store import Store

Marks = frozenset[int]
ITEMS = "items"
_PICTURE = re.compile("[0-9a-f]{64}")


def mark_of(split_key: str, suite: str | None = None) -> int:
    """A cluster's hash, of 64 bits. A picture's hash means the same picture everywhere."""
    named = split_key if suite is None or _PICTURE.fullmatch(split_key) else f"{suite}/{split_key}"
    return int.from_bytes(hashlib.sha256(named.encode()).digest()[:8], "big")


def fold_of(look: int, folds: int) -> int:
    """The fold that look number `look` sees; a cluster is in fold mark mod folds, in whatever set it is asked."""
    return (look - 1) % folds


def fold(marks: Marks, look: int, folds: int) -> Marks:
    """The clusters that look number `look` sees."""
    return marks if folds == 1 else frozenset(mark for mark in marks if mark % folds == fold_of(look, folds))


class Items:
    """The clusters of each set that was looked at."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Marks] = {}

    def keep(self, marks: Marks) -> str:
        """Store the clusters of a set; their digest."""
        data = canonical.dumps([f"{mark:016x}" for mark in sorted(marks)])
        digest = canonical.sha256(data)
        with suppress(Conflict):  # named by its content: there already
            self._store.put_if(_place(digest), data, absent=True)
        self._known[digest] = marks
        return digest

    def read(self, digest: str) -> Marks:
        """The clusters kept under a digest. Raises NotFound, or StoreError where it is not what it was."""
        if digest not in self._known:
            data = self._store.get(_place(digest))
            if canonical.sha256(data) != digest:
                raise StoreError(f"{self._store.uri(_place(digest))} was changed; looks cannot be counted without it.")
            self._known[digest] = frozenset(int(mark, 16) for mark in canonical.loads(data))
        return self._known[digest]


def _place(digest: str) -> str:
    return f"looks/{ITEMS}/{digest}.json"
