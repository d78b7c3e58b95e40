"""Loops to look at: a bounded queue in which a loop stands once, however many deliveries name it.

A loop that is being looked at is not handed out again before that look is done: no loop is in two hands. A hint that comes
meanwhile is kept for the next look, since the one under way may have read the registry before what the hint tells of. After a
look the loop rests for a moment, so that a flood of hints costs few looks; the first hint after a rest is looked at at once.
"""

from __future__ import annotations

import threading
import time

MOST = 4096
REST_SECONDS = 1.0


class Hints:
    def __init__(self, most: int = MOST, rest: float = REST_SECONDS) -> None:
        self._most = most
        self._rest = rest
        self._rested: dict[str, float] = {}
        self._waiting: dict[str, None] = {}
        self._again: set[str] = set()
        self._busy: set[str] = set()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, loop: str) -> bool:
        """False when there is no room, or no more is taken; True when the loop will be looked at after this call."""
        with self._changed:
            if self._closed:
                return False
            if loop in self._waiting or loop in self._again:
                return True
            if self.depth() >= self._most:
                return False
            if loop in self._busy:
                self._again.add(loop)
            else:
                self._waiting[loop] = None
                self._changed.notify()
            return True

    def take(self, seconds: float) -> str | None:
        """The loop that has waited longest, to be given back by `done`; None when none came in time or all is drained."""
        until = time.monotonic() + seconds
        with self._changed:
            while True:
                now = time.monotonic()
                loop, soonest = self._next(now)
                if loop is not None:
                    del self._waiting[loop]
                    self._busy.add(loop)
                    return loop
                left = min(until, soonest) - now
                if self._drained() or now >= until:
                    return None
                self._changed.wait(left)

    def _next(self, now: float) -> tuple[str | None, float]:
        """The loop that has waited longest and has rested; else when the first will have. None rests when we end."""
        soonest = float("inf")
        for loop in self._waiting:
            rested = 0.0 if self._closed else self._rested.get(loop, 0.0)
            if rested <= now:
                return loop, now
            soonest = min(soonest, rested)
        return None, soonest

    def done(self, loop: str, again: float | None = None) -> None:
        """The look is over. With `again` it settled nothing: the loop is looked at once more, in that many seconds."""
        with self._changed:
            self._busy.discard(loop)
            self._rested[loop] = time.monotonic() + max(self._rest, again or 0.0)
            if loop in self._again or (again is not None and not self._closed):
                self._again.discard(loop)
                self._waiting[loop] = None
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more; what waits is still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def drained(self) -> bool:
        with self._changed:
            return self._drained()

    def depth(self) -> int:
        return len(self._waiting) + len(self._again)

    def _drained(self) -> bool:
        return self._closed and not self._waiting and not self._busy and not self._again
