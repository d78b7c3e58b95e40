"""Rounds as processes of this machine: what starts them where there is no Kubeflow Pipelines, or beside it.

A round is a process in a session of its own, so it outlives whoever asked for it. It holds a lock of the operating system on its
loop's file, which ends with it however it ends, and makes the record of its request in the store by a conditional put before it
begins. So a starter that is killed at any moment may ask again: the second process finds the record and ends.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pydantic import Field

from ratchet import canonical, rounds
from ratchet.errors import NotFound, PlatformError
from ratchet.operations.starting import RoundRequest, RunState, Started
from ratchet.records import Record
from ratchet.settings import Settings
from ratchet.store import Store, open_store

PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.05
BEGUN = "begun"
KNOWN = "known"
BUSY = "busy"


class LocalRecord(Record):
    """A request that became a process of some machine."""

    request: RoundRequest
    run: str
    host: str
    pid: int
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Order(Record):
    """What the process is told: the request, where store and registry are, where its logs go."""

    request: RoundRequest
    settings: Settings
    folder: Path


class LocalStarter:
    """`Starter` on this machine, one round of a loop at a time. Logs go to `folder`/<loop>/logs."""

    def __init__(self, settings: Settings, folder: Path, patience: float = PATIENCE_SECONDS) -> None:
        self._settings = settings
        self._folder = folder.resolve()
        self._patience = patience
        self._store = open_store(settings.root)
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, request: RoundRequest) -> Started:
        known = read_record(self._store, request)
        if known is not None:
            return Started(run=known.run, new=False)
        said = self._spawn(request)
        found = read_record(self._store, request)
        if found is None:
            raise PlatformError(
                f"the process of a round of loop {request.loop} did not begin it ({said}); {self._log(request.loop)} says why"
            )
        return Started(run=found.run, new=said == BEGUN)

    def running(self, loop: str) -> list[RunState]:
        """The round of the loop that works on this machine, if there is one."""
        self._children = [child for child in self._children if child.poll() is None]
        with open_lock(self._folder, loop) as lock:
            lock.seek(0)
            run = lock.read().strip()
            try:
                # Shared: two that look at once are no round.
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return [RunState(run=run or "starting", name=run or loop, loop=loop, state="running")]
        return []

    def _spawn(self, request: RoundRequest) -> str:
        """Start the process and wait for its first word: begun, known (another made a run of it), busy, or how it ended."""
        order = Order(request=request, settings=self._settings, folder=self._folder)
        log = self._log(request.loop)
        log.parent.mkdir(parents=True, exist_ok=True)
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as words, log.open("ab") as output:
            try:
                child = subprocess.Popen(
                    [sys.executable, "-m", "ratchet.operations.local_round", str(writing)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(writing,),
                    start_new_session=True,
                )
            finally:
                os.close(writing)
            self._children.append(child)
            assert child.stdin is not None
            # One that died at once says so by its silence.
            with suppress(BrokenPipeError), child.stdin as sink:
                sink.write(order.model_dump_json().encode())
            return _first_word(words.fileno(), self._patience) or f"it ended with status {_status(child)}"

    def _log(self, loop: str) -> Path:
        return self._folder / loop / "logs" / "starting.log"


def record_key(request: RoundRequest) -> str:
    return f"{rounds.loop_prefix(request.loop)}/local/{canonical.digest(request.key)[:32]}.json"


def read_record(store: Store, request: RoundRequest) -> LocalRecord | None:
    try:
        return LocalRecord.model_validate_json(store.get(record_key(request)))
    except NotFound:
        return None


def open_lock(folder: Path, loop: str) -> TextIO:
    """The file whose lock the loop's round holds; its text is the run."""
    place = folder / rounds.check_loop_name(loop)
    place.mkdir(parents=True, exist_ok=True)
    return open(place / "round.lock", "a+", encoding="utf-8")


def _first_word(pipe: int, patience: float) -> str:
    """What the process says before it closes its end; empty when it says nothing."""
    os.set_blocking(pipe, False)
    until = time.monotonic() + patience
    said = b""
    while time.monotonic() < until and not said.endswith(b"\n"):
        try:
            part = os.read(pipe, 64)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
            continue
        if not part:
            break
        said += part
    return said.decode(errors="replace").strip()


def _status(child: subprocess.Popen[bytes]) -> str:
    try:
        return str(child.wait(1))
    except subprocess.TimeoutExpired:
        return "none: it still runs"
