"""A budget of CPU-seconds, from which what only looks on is taken out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Runs from its making. `charge` adds seconds that were spent elsewhere."""

    budget: float
    started: float = field(default_factory=time.process_time)
    apart: float = 0.0

    @property
    def spent(self) -> float:
        return time.process_time() - self.started - self.apart

    @property
    def share(self) -> float:
        """Part of the budget that is spent, 1 when it is over."""
        return min(1.0, self.spent / self.budget)

    def charge(self, seconds: float) -> None:
        self.apart -= seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        start = time.process_time()
        try:
            yield
        finally:
            self.apart += time.process_time() - start
