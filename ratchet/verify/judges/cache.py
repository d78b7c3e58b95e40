"""Replies by content: `judgements/<judge>/` in the store, read once, so that no run asks a judge the same twice.

The index is a temporary SQLite database: it keeps what does not fit a few MiB of memory on disk, and is gone with the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ratchet.generate.engine import Answer
from ratchet.store import Store
from ratchet.verify.judges import segments
from ratchet.verify.judges.identity import digest_of

FOLDER = "judgements"
MEMORY_KIB = 16 * 1024
_BATCH = 500


@dataclass(frozen=True)
class Kept:
    """What a judge replied once. `by` is the part of a stage that it was asked in."""

    answers: tuple[Answer, ...]
    by: str


class Judgements:
    """The kept replies of one judge, or in another `folder` of one model. Safe with other runs beside it: each writes files of
    its own, and reads all."""

    def __init__(self, store: Store, who: Mapping[str, Any], folder: str = FOLDER) -> None:
        self.prefix = f"{folder}/{digest_of(dict(who))}"
        # An empty name is a private database on disk, removed when it is closed.
        self._index = sqlite3.connect("", check_same_thread=False)
        self._index.execute(f"PRAGMA cache_size = -{MEMORY_KIB}")
        self._index.execute("PRAGMA journal_mode = OFF")
        self._index.execute("CREATE TABLE kept (key BLOB PRIMARY KEY, entry BLOB) WITHOUT ROWID")
        self._segments = segments.Segments(store, self.prefix, who)
        self._fresh: list[Mapping[str, Any]] = []
        self._insert(segments.read(store, self.prefix))

    def find(self, keys: Sequence[str]) -> dict[str, Kept]:
        """What is kept of these."""
        self._insert(self._fresh)
        self._fresh = []
        found: dict[str, Kept] = {}
        for start in range(0, len(keys), _BATCH):
            some = [bytes.fromhex(key) for key in keys[start : start + _BATCH]]
            marks = ",".join("?" * len(some))
            for key, entry in self._index.execute(f"SELECT key, entry FROM kept WHERE key IN ({marks})", some):
                found[key.hex()] = _kept(orjson.loads(entry))
        return found

    def keep(self, made: Mapping[str, tuple[Answer, ...]], by: str) -> None:
        """Keep replies, all of them in one file, so that a kill keeps all or none. Failed ones are left out."""
        good = {key: answers for key, answers in made.items() if not any(one.error for one in answers)}
        entries = [{"key": key, "by": by, "answers": [_dumped(one) for one in some]} for key, some in good.items()]
        if entries:
            self._fresh += entries  # indexed all at once, when something is looked up again
            self._segments.add([segments.line_of(one) for one in entries])

    def settle(self) -> None:
        """Return when all that is kept is in the store. Raises StoreError."""
        self._segments.settle()

    def close(self) -> None:
        """Write what is left, and forget the index."""
        try:
            self._segments.close()
        finally:
            self._index.close()

    def _insert(self, entries: Iterable[Mapping[str, Any]]) -> None:
        rows = ((bytes.fromhex(one["key"]), orjson.dumps(one)) for one in entries)
        with self._index:
            # Files are read in the order of their names: of two replies the same one counts wherever it is read.
            self._index.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", rows)


def _dumped(answer: Answer) -> dict[str, Any]:
    return {
        "text": answer.text,
        "n_tokens": answer.n_tokens,
        "finish_reason": answer.finish_reason,
        "logprob_sum": answer.logprob_sum,
        "n_prompt": answer.n_prompt,
    }


def _kept(entry: Mapping[str, Any]) -> Kept:
    return Kept(tuple(Answer(**one) for one in entry["answers"]), str(entry.get("by", "")))
