"""A store in a dict, for one process: what the shipped ledger writes to while whole loops are simulated, and for tests."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from ratchet.errors import Conflict, NotFound
from ratchet.store.base import (
    Stat,
    check_condition,
    check_folder,
    check_key,
    check_prefix,
    check_range,
    join,
    key_below,
    local_size,
)


class MemoryStore:
    """A `Store` that ends with its process. For one thread."""

    def __init__(self, name: str = "memory") -> None:
        self._root = f"memory://{name}"
        self._objects: dict[str, tuple[bytes, datetime]] = {}
        self._prefix = ""

    @property
    def root(self) -> str:
        return self._root

    def uri(self, key: str) -> str:
        return join(self._root, key)

    def key(self, uri: str) -> str:
        return key_below(self._root, uri)

    def sub(self, prefix: str) -> MemoryStore:
        found = MemoryStore()
        folder = check_key(prefix.removesuffix("/"))
        found._root = join(self._root, folder)
        found._objects, found._prefix = self._objects, f"{self._prefix}{folder}/"
        return found

    def put(self, key: str, data: bytes) -> Stat:
        kept = self._objects[self._prefix + check_key(key)] = (bytes(data), datetime.now(UTC))
        return self._stat(key, *kept)

    def put_file(self, key: str, path: str | PathLike[str]) -> Stat:
        local_size(path)
        return self.put(key, Path(path).read_bytes())

    def put_if(self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None) -> Stat:
        check_condition(absent, etag)
        known = self.stat(key)
        if (known is not None) if absent else (known is None or known.etag != etag):
            raise Conflict(f"{self.uri(key)} is not as it was expected: another was first")
        return self.put(key, data)

    def get(self, key: str) -> bytes:
        try:
            return self._objects[self._prefix + check_key(key)][0]
        except KeyError:
            raise NotFound(f"no object at {self.uri(key)}") from None

    def get_file(self, key: str, path: str | PathLike[str]) -> Stat:
        Path(path).write_bytes(self.get(key))
        return self._stat(key, *self._objects[self._prefix + key])

    def get_range(self, key: str, start: int, length: int) -> bytes:
        check_range(start, length)
        return self.get(key)[start : start + length]

    def stat(self, key: str) -> Stat | None:
        kept = self._objects.get(self._prefix + check_key(key))
        return None if kept is None else self._stat(key, *kept)

    def exists(self, key: str) -> bool:
        return self.stat(key) is not None

    def list(self, prefix: str = "") -> Iterator[Stat]:
        whole = self._prefix + check_prefix(prefix)
        for key in sorted(key for key in self._objects if key.startswith(whole)):
            yield self._stat(key[len(self._prefix) :], *self._objects[key])

    def folders(self, prefix: str = "") -> Sequence[str]:
        whole = self._prefix + check_folder(prefix)
        below = (key[len(whole) :] for key in self._objects if key.startswith(whole))
        return sorted({key.split("/", 1)[0] for key in below if "/" in key})

    def delete(self, key: str) -> None:
        self._objects.pop(self._prefix + check_key(key), None)

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self.get(key))

    def _stat(self, key: str, data: bytes, modified: datetime) -> Stat:
        return Stat(self.uri(key), len(data), f"{len(data)}-{hash(data):x}", modified)
