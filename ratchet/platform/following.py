"""What the tasks of a run say while it goes on: its pods' logs, read again and again, the new lines of each.

Nothing is held open, so that a broken connection costs one look, and pods that run beside each other are all told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from ratchet.errors import PlatformError
from ratchet.platform.logs import Pods, pods_of
from ratchet.platform.pipelines import Pipelines, is_active
from ratchet.platform.runs import LOOK_SECONDS, loop_of
from ratchet.stage import STAGES

OVERLAP_SECONDS = 5
"""Read again before the last look, for lines that were late; those that were told are known by their times."""
_ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED", "CACHED")


class Line(NamedTuple):
    stage: str
    pod: str
    text: str


def follow(
    client: Pipelines, namespace: str, run: str, stage: str | None, tail: int, every: float = LOOK_SECONDS
) -> Iterator[Line]:
    """The last `tail` lines of each pod, then what is new, until the run has ended. Raises PlatformError where none can be read."""
    loop_of(client.run(run))
    reader = _Reader(Pods(namespace), tail)
    while True:
        found = client.run(run)
        # Looked at before the logs are: what a run said until its end is told.
        over = not is_active(found)
        for name in [stage] if stage is not None else STAGES:
            states = pods_of(found, name)
            for pod in list(states) or reader.pods.labelled(run, name):
                yield from (Line(name, pod, text) for text in reader.news(pod, states.get(pod) in _ENDED))
        if reader.pods.barred:
            raise PlatformError(f"the logs of run {run} cannot be followed: {reader.pods.why}.")
        if over:
            return
        time.sleep(every)


class _Reader:
    """Knows of each pod when it was looked at, and the time of the last line that was told."""

    def __init__(self, pods: Pods, tail: int) -> None:
        self.pods, self._tail = pods, tail
        self._looked: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._done: set[str] = set()

    def news(self, pod: str, ended: bool) -> list[str]:
        if pod in self._done:
            return []
        now, before = time.monotonic(), self._looked.get(pod)
        since = math.ceil(now - before) + OVERLAP_SECONDS if before is not None else None
        text = self.pods.log(pod, None if before is not None else self._tail, since=since, timestamps=True)
        if text is None:
            return []
        self._looked[pod] = now
        if ended:
            self._done.add(pod)
        lines = [line.partition(" ") for line in text.splitlines()]
        fresh = [(moment, said) for moment, _, said in lines if moment > self._told.get(pod, "")]
        self._told[pod] = max([moment for moment, _ in fresh], default=self._told.get(pod, ""))
        return [said for _, said in fresh]
