"""Progress of a stage as JSON lines in the file that RATCHET_PROGRESS names; whoever started the run reads them.

A stage runs in a process of its own, under KFP in a container: a file of events is the one thing that all can share.
Without the variable nothing is written.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Protocol

from ratchet import canonical

LEAST_SECONDS = 0.2
LOG_SECONDS = 10.0
VARIABLE = "RATCHET_PROGRESS"


class Progress(Protocol):
    def __call__(self, done: int, total: int, unit: str, note: str = "") -> None: ...


def silent(done: int, total: int, unit: str, note: str = "") -> None:
    """Progress that nobody looks at."""


class FileProgress:
    """Appends events {round, stage, part, done, total, unit, note, time}; at most five a second, the last always.

    `part` names one of several tasks that work on a stage side by side, "" where there is only one.
    """

    def __init__(self, path: str, stage: str, number: int, part: str = "") -> None:
        self._path, self._stage, self._number, self._part = path, stage, number, part
        self._last = 0.0

    def __call__(self, done: int, total: int, unit: str, note: str = "") -> None:
        now = time.time()
        if done < total and now - self._last < LEAST_SECONDS:
            return
        self._last = now
        event = {
            "round": self._number,
            "stage": self._stage,
            "part": self._part,
            "done": done,
            "total": total,
            "unit": unit,
            "note": note,
            "time": now,
        }
        # One short write in append mode: lines of several processes do not mix.
        with open(self._path, "ab", buffering=0) as file:
            file.write(canonical.dumps(event) + b"\n")


class LoggedProgress:
    """Writes a line to the standard error, at most one in ten seconds, the first and the last always."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._last: float | None = None

    def __call__(self, done: int, total: int, unit: str, note: str = "") -> None:
        now = time.monotonic()
        if self._last is not None and done < total and now - self._last < LOG_SECONDS:
            return
        self._last = now
        sys.stderr.write(f"{self._stage} {done}/{total} {unit} {note}".rstrip() + "\n")
        sys.stderr.flush()


def both(one: Progress, other: Progress) -> Progress:
    """Tells two."""

    def tell(done: int, total: int, unit: str, note: str = "") -> None:
        one(done, total, unit, note)
        other(done, total, unit, note)

    return tell


def for_stage(stage: str, number: int, part: str = "") -> Progress:
    path = os.environ.get(VARIABLE)
    return FileProgress(path, stage, number, part) if path else silent
