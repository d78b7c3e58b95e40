"""A budget of CPU-seconds, from which what only looks on is taken out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ratchet.comparing.clock import cpu


@dataclass
class Clock:
    """Runs from its making. `charge` adds seconds that were spent elsewhere."""

    budget: float
    started: float = field(default_factory=cpu)
    apart: float = 0.0

    @property
    def spent(self) -> float:
        return cpu() - self.started - self.apart

    @property
    def share(self) -> float:
        """Part of the budget that is spent, 1 when it is over."""
        return min(1.0, self.spent / self.budget)

    def charge(self, seconds: float) -> None:
        self.apart -= seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        start = cpu()
        try:
            yield
        finally:
            self.apart += cpu() - start
