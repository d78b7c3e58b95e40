"""The trigger at work: a poller that looks through all loops, workers that look at those that are hinted at."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ratchet import rounds
from ratchet.errors import RatchetError
from ratchet.operations.trigger.decide import Idle
from ratchet.operations.trigger.deliveries import Seen
from ratchet.operations.trigger.drive import Driver, place_of
from ratchet.operations.trigger.hints import Hints
from ratchet.operations.trigger.metrics import Metrics
from ratchet.registry import Registry
from ratchet.settings import without_login
from ratchet.store import Store

POLL_SECONDS = 30.0
WORKERS = 2
DRAIN_SECONDS = 10.0
KEEP_SECONDS = 2.0
SOON_SECONDS = 5.0
"""After which what failed once is tried again, rather than at the next tick."""
PROBE = "ratchet-trigger-probe"
log = logging.getLogger("ratchet.trigger")


@dataclass(frozen=True)
class Options:
    """`loops` empty: all loops of the store. `patience`: how long ago registry and store may have answered last."""

    loops: tuple[str, ...] = ()
    poll: float = POLL_SECONDS
    secrets: tuple[str, ...] = ()
    webhooks: bool = True
    workers: int = WORKERS
    drain: float = DRAIN_SECONDS

    @property
    def patience(self) -> float:
        return max(3 * self.poll, 60.0)


class Service:
    """`start`, then hints by `hint` and from its own poller, then `stop`. Nothing here knows HTTP."""

    def __init__(self, registry: Registry, store: Store, driver: Driver, metrics: Metrics, options: Options) -> None:
        self.options = options
        self.metrics = metrics
        self.hints = Hints()
        self.seen = Seen(store)
        self._registry = registry
        self._store = store
        self._driver = driver
        self._served = frozenset(options.loops)
        self._answered: float | None = None
        self._polled: float | None = None
        self._trouble = "registry and store were not asked yet"
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failing: set[str] = set()
        metrics.watch(self.hints.depth, lambda: self._polled)

    def start(self) -> None:
        """Returns at once; `why_not_ready` says when the first look through succeeded."""
        jobs: list[Callable[[], None]] = [self._poll, self._keep, *([self._work] * self.options.workers)]
        for number, job in enumerate(jobs):
            thread = threading.Thread(target=job, name=f"trigger {job.__name__} {number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> bool:
        """Take no more hints, look at those that wait, end. False when they were not all looked at in time."""
        self._ending.set()
        self.hints.close()
        until = time.monotonic() + self.options.drain
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return self.hints.drained and not any(thread.is_alive() for thread in self._threads)

    def serves(self, loop: str) -> bool:
        return not self.options.loops or loop in self._served

    def hint(self, loop: str) -> bool:
        """False when there is no room for it now."""
        return self.hints.put(loop)

    @property
    def ending(self) -> bool:
        return self._ending.is_set()

    def why_not_ready(self) -> str | None:
        """None when registry and store have both answered lately."""
        if self.ending:
            return "the trigger is ending"
        if self._answered is None:
            return self._trouble
        age = time.monotonic() - self._answered
        return f"no answer for {age:.0f} s: {self._trouble}" if age > self.options.patience else None

    def _poll(self) -> None:
        """Look through all loops at once, then every `poll` seconds. While something is down it is asked more often."""
        while True:
            well = self._look_through()
            if self._ending.wait(self.options.poll if well else min(self.options.poll, SOON_SECONDS)):
                return

    def _look_through(self) -> bool:
        try:
            if self.options.webhooks and self._answered is None:
                self.seen.load()
            loops = self._loops()
            self._registry.champion(loops[0] if loops else PROBE)
        except Exception as error:
            self._failed("poll", error)
            return False
        self._answered = self._polled = time.monotonic()
        self.metrics.loops.set(len(loops))
        for loop in loops:
            self.hints.put(loop)
        return True

    def _loops(self) -> Sequence[str]:
        """Those that are served. The store is asked in either case: it is half of being ready."""
        if not self.options.loops:
            return rounds.loops(self._store)
        self._store.exists(f"loops/{self.options.loops[0]}/policy.json")
        return self.options.loops

    def _work(self) -> None:
        while not self.hints.drained:
            loop = self.hints.take(1.0)
            if loop is None:
                continue
            again: float | None = None
            try:
                result = self._driver.look(loop)
                self._answered = time.monotonic()
                self._failing.discard(loop)
                again = 0.0 if isinstance(result, Idle) and result.waits == "behind" else None
            except Exception as error:
                # Whatever it is, it is tried again soon, then at every tick; one loop must not end the trigger of all others.
                again = None if loop in self._failing else SOON_SECONDS
                self._failing.add(loop)
                self._failed(f"loop {loop}", error)
            finally:
                self.hints.done(loop, again)

    def _keep(self) -> None:
        """Keep the ids of deliveries a moment later, so that none has to wait for the store."""
        ended = False
        while not ended:
            ended = self._ending.wait(KEEP_SECONDS)
            try:
                self.seen.keep()
            except Exception as error:
                # Whatever it is: ids that are not kept now are kept at the next turn.
                self._failed("deliveries", error)

    def _failed(self, what: str, error: Exception) -> None:
        self.metrics.failures.labels(place_of(error)).inc()
        self._trouble = without_login(f"{type(error).__name__}: {error}")
        known = isinstance(error, RatchetError | OSError)
        log.error("%s: %s", what, self._trouble, exc_info=None if known else error)
