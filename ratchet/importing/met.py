"""Names that were met, with where it was: on this machine's disk, so that memory does not grow with their number."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class Met:
    """A dictionary in a file. Not shared between threads; what is in it is lost at a crash, and not needed then."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE met (kind TEXT, name TEXT, place TEXT, PRIMARY KEY (kind, name)) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def place(self, kind: str, name: str) -> str | None:
        """Where the name was met first; None where it was not."""
        row = self._db.execute("SELECT place FROM met WHERE kind = ? AND name = ?", (kind, name)).fetchone()
        return None if row is None else str(row[0])

    def add(self, kind: str, name: str, place: str = "") -> bool:
        """Remember a name, unless it is known; whether it was new."""
        found = self._db.execute("INSERT OR IGNORE INTO met VALUES (?, ?, ?)", (kind, name, place))
        return found.rowcount > 0

    def close(self) -> None:
        self._db.close()
