"""Loops to look at: a bounded queue in which a loop stands once, however many deliveries name it.

A loop that is being looked at is not handed out again before that look is done: no loop is in two hands. A hint that comes
meanwhile is kept for the next look, since the one under way may have read the registry before what the hint tells of.
"""

from __future__ import annotations

import threading

MOST = 4096


class Hints:
    def __init__(self, most: int = MOST) -> None:
        self._most = most
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
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._drained(), seconds)
            if not self._waiting:
                return None
            loop = next(iter(self._waiting))
            del self._waiting[loop]
            self._busy.add(loop)
            return loop

    def done(self, loop: str) -> None:
        with self._changed:
            self._busy.discard(loop)
            if loop in self._again:
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
