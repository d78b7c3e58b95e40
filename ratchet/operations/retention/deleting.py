"""Deleting, side by side: objects for themselves in batches, a model or a prompt set at once and as a whole.

Somebody may upload the same model, or draw the same prompts, while it goes. So before each of its files is deleted its index is looked
for again, and the file's age; and if the index is there at the end, though a file that went is not, the index goes too: what
looks whole is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from ratchet.errors import RatchetError
from ratchet.store import Stat, Store

_AT_ONCE = 8
_BATCH = 256


class Deleting:
    """Deletes what was last written `before` that moment, or does nothing. What is under way ends before an error is raised."""

    def __init__(self, store: Store, apply: bool, before: datetime) -> None:
        self.store, self.apply, self.before = store, apply, before
        self._keys: list[str] = []
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ratchet-gc")

    def __enter__(self) -> Deleting:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def whole(self, index: str, stats: Sequence[Stat]) -> list[Stat]:
        """A unit, its index first; what went. Raises RatchetError where it was made anew meanwhile and is not whole."""
        if not self.apply:
            return list(stats)
        by_key = {self.store.key(stat.uri): stat for stat in stats}
        known = by_key.pop(index, None)
        if known is not None:
            if self._young(index):
                return []
            self.store.delete(index)
        went = self._pool.map(lambda key: self._unless_back(index, key), by_key)
        gone = [key for key, did in zip(by_key, went, strict=True) if did]
        self._check(index, gone)
        return [*([known] if known else []), *(by_key[key] for key in gone)]

    def soon(self, key: str) -> None:
        """An object for itself, with the next batch."""
        if self.apply:
            self._keys.append(key)
            if len(self._keys) >= _BATCH:
                self._flush()

    def _young(self, key: str) -> bool:
        stat = self.store.stat(key)
        return stat is not None and stat.modified >= self.before

    def _unless_back(self, index: str, key: str) -> bool:
        if self.store.exists(index) or self._young(key):
            return False
        self.store.delete(key)
        return True

    def _check(self, index: str, gone: Sequence[str]) -> None:
        """Between a look at a file and its deletion it may have been written: then it has to be written again."""
        if not gone or not self.store.exists(index):
            return
        missing = [key for key in gone if not self.store.exists(key)]
        if missing:
            self.store.delete(index)
            raise RatchetError(
                f"{self.store.uri(index)} was written while its files of old went, and {len(missing)} of them are missing "
                f"({missing[0]}), so it was taken away again. Repeat what wrote it, then run `ratchet gc` again."
            )

    def _flush(self) -> None:
        keys, self._keys = self._keys, []
        for _ in self._pool.map(self.store.delete, keys):
            pass
