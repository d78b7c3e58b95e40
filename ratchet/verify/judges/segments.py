"""Files of replies: JSON lines, each with its own checksum, written by one writer and read whole or not at all."""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import orjson

from ratchet.store import Store

log = logging.getLogger(__name__)

SCHEMA = "ratchet.judgements"
VERSION = 1
PAUSE_SECONDS = 0.1
"""Between two writes of a file that grows: what is lost to a kill is what came in this time."""
FULL_BYTES = 512 * 1024
SUFFIX = ".jsonl"


def line_of(entry: Mapping[str, Any]) -> bytes:
    """An entry with the checksum of its bytes, as one line without its end."""
    body = orjson.dumps(entry)
    return b"%08x " % zlib.crc32(body) + body


def entry_of(line: bytes) -> dict[str, Any]:
    """The entry of a line; raises ValueError where it is cut or changed."""
    if zlib.crc32(line[9:]) != int(line[:8], 16):
        raise ValueError("a line does not have its checksum")
    found = orjson.loads(line[9:])
    if not isinstance(found, dict):
        raise ValueError("a line is no entry")
    return found


def read(store: Store, prefix: str) -> Iterator[dict[str, Any]]:
    """The entries of all files under `prefix`. A file that is broken is left out, and a warning says so."""
    for stat in store.list(f"{prefix}/"):
        if not stat.uri.endswith(SUFFIX):
            continue
        try:
            yield from _entries(store.get(store.key(stat.uri)))
        except (ValueError, TypeError, KeyError) as error:
            log.warning("judgements in %s are not used: %s; what they answer is asked again", stat.uri, error)


def _entries(data: bytes) -> Sequence[dict[str, Any]]:
    head, *lines = data.splitlines()
    said = entry_of(head)
    if (said.get("schema"), said.get("version")) != (SCHEMA, VERSION):
        raise ValueError(f"they are {said.get('schema')} {said.get('version')}, not {SCHEMA} {VERSION}")
    found = [entry_of(line) for line in lines]
    if not all(isinstance(one["key"], str) and isinstance(one["answers"], list) for one in found):
        raise ValueError("an entry has no key or no answers")
    return found


class Segments:
    """Writes entries under names of its own, so that two writers never meet. A file grows until it is full.

    Whole files are written again and again, in a thread: an object appears whole or not at all, on S3 too. `settle` waits
    until all is written and raises StoreError where it could not be.
    """

    def __init__(self, store: Store, prefix: str, who: Mapping[str, Any]) -> None:
        self._store, self._prefix = store, prefix
        self._head = line_of({"schema": SCHEMA, "version": VERSION, "judge": dict(who)})
        self._writer = uuid4().hex[:16]
        self._number = 0
        self._lines: list[bytes] = []
        self._size = 0
        self._dirty = False
        # Said under the lock: a thread that has looked for the last time may take a while to end.
        self._writing = False
        self._lock = threading.Lock()
        self._hurry = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="judgements")
        self._work: Future[None] | None = None

    def add(self, lines: Sequence[bytes]) -> None:
        """Write lines soon, all of them in one file. Raises StoreError where an earlier write failed."""
        with self._lock:
            self._lines += lines
            self._size += sum(map(len, lines))
            self._dirty = True
            idle = not self._writing
        if idle:
            self._check()
            self._begin()

    def settle(self) -> None:
        """Return when all is written."""
        self._hurry.set()
        while self._work is not None:
            self._check()
            with self._lock:
                left = self._dirty
            self._work = None
            if left:
                self._begin()
        self._hurry.clear()

    def close(self) -> None:
        """Write what is left, and stop the thread."""
        try:
            self.settle()
        finally:
            self._pool.shutdown()

    def _begin(self) -> None:
        with self._lock:
            self._writing = True
        self._work = self._pool.submit(self._write)

    def _check(self) -> None:
        if self._work is not None:
            self._work.result()

    def _write(self) -> None:
        while True:
            with self._lock:
                if not self._dirty:
                    self._writing = False
                    return
                self._dirty = False
                data = b"\n".join([self._head, *self._lines, b""])
                name = f"{self._prefix}/{self._writer}-{self._number:05d}{SUFFIX}"
                if self._size >= FULL_BYTES:
                    self._number, self._lines, self._size = self._number + 1, [], 0
            try:
                self._store.put(name, data)
            except BaseException:
                with self._lock:
                    self._dirty, self._writing = True, False
                raise
            self._hurry.wait(PAUSE_SECONDS)
