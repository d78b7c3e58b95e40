"""The trigger's figures for Prometheus, in a collection of their own: two triggers in one process share none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ratchet.operations.trigger.decide import Waiting

PREFIX = "ratchet_trigger"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
OUTCOMES = (
    "accepted",
    "ignored",
    "known",
    "unsigned",
    "forged",
    "old",
    "malformed",
    "too-large",
    "not-ready",
    "full",
)
"""What becomes of a delivery. `known` was taken before; `ignored` speaks of no loop that is served."""


class Metrics:
    def __init__(self) -> None:
        self.collected = CollectorRegistry()
        where = self.collected
        self.deliveries = Counter(
            f"{PREFIX}_deliveries", "Webhooks received, by what became of them.", ["outcome"], registry=where
        )
        self.seconds = Histogram(
            f"{PREFIX}_delivery_seconds", "From a webhook's headers to its answer.", buckets=BUCKETS, registry=where
        )
        self.moves = Counter(
            f"{PREFIX}_moves",
            "Moves of the alias champion that were seen first here.",
            ["loop", "kind"],
            registry=where,
        )
        self.rounds = Counter(
            f"{PREFIX}_rounds_started", "Rounds started, by what for.", ["loop", "cause"], registry=where
        )
        self.failures = Counter(f"{PREFIX}_failures", "What went wrong, by where.", ["where"], registry=where)
        self.queue = Gauge(f"{PREFIX}_queue_depth", "Loops that wait to be looked at.", registry=where)
        self.poll_age = Gauge(
            f"{PREFIX}_last_poll_age_seconds", "Since all loops were last looked through.", registry=where
        )
        self.loops = Gauge(f"{PREFIX}_loops", "Loops that are served.", registry=where)
        self.idle = Gauge(
            f"{PREFIX}_loop_idle",
            "1 for why a loop starts no round now; no line for one that does.",
            ["loop", "why"],
            registry=where,
        )
        for outcome in OUTCOMES:
            self.deliveries.labels(outcome)

    def watch(self, depth: Callable[[], int], polled: Callable[[], float | None]) -> None:
        """Read queue and poller whenever somebody scrapes."""
        self.queue.set_function(depth)
        self.poll_age.set_function(lambda: float("nan") if (at := polled()) is None else time.monotonic() - at)

    def idles(self, loop: str, why: Waiting | None) -> None:
        for one in get_args(Waiting):
            if one == why:
                self.idle.labels(loop, one).set(1)
            else:
                self._remove(loop, one)

    def page(self) -> bytes:
        return generate_latest(self.collected)

    def _remove(self, *labels: str) -> None:
        try:
            self.idle.remove(*labels)
        except KeyError:
            return
