"""What a round has taken of what costs: hours of its devices, as its tasks count them while they run.

    <round>/used/<stage>[-<part>]-<token>.json    one a try of a task, written again and again while it works

A try that is killed leaves what it had counted, so at most one interval is lost. Where the round has a budget, a task looks
before it starts and while it works, and stops the round when it is spent.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ratchet import canonical, rounds
from ratchet.errors import BudgetSpent, RatchetError, StoreError
from ratchet.profile import Profile
from ratchet.progress import Progress
from ratchet.records import Record
from ratchet.rounds import Devices, Round, RoundEnd
from ratchet.store import Store

COSTLY = ("generate", "verify", "filter", "train", "evaluate")
"""Stages that compute; the others only read and write a few objects."""
MACHINE = "machine"
JOIN_SECONDS = 5.0


class Use(Record):
    """What one try of a task has taken so far: wall seconds, on so many devices."""

    stage: str
    part: str = ""
    job: str
    devices: int
    seconds: float

    @property
    def hours(self) -> float:
        return self.seconds * self.devices / 3600


def devices_of(profile: Profile) -> Devices:
    """What the stages take in this profile: GPUs if any of them has one, else machines."""
    gpus = {stage: profile.resources_of(stage).gpus for stage in COSTLY}
    kinds = [profile.resources_of(stage).gpu for stage, number in gpus.items() if number]
    job = profile.launcher.trainjob
    if job is not None and job.gpus:
        gpus["train"] = job.gpus * profile.launcher.nodes
        kinds.append(job.gpu)
    if kinds:
        return Devices(kind=kinds[0], by_stage={stage: number for stage, number in gpus.items() if number})
    return Devices(kind=MACHINE, by_stage={**dict.fromkeys(COSTLY, 1), "train": profile.launcher.nodes})


def uses(store: Store, prefix: str) -> list[Use]:
    """All that is counted of the round at `prefix`."""
    found = []
    for one in store.list(f"{prefix}/used/"):
        # One that was replaced or removed between both requests is read at the next look.
        with suppress(StoreError):
            found.append(Use.model_validate_json(store.get(store.key(one.uri))))
    return found


def hours_of(store: Store, opened: Round) -> float | None:
    """Hours of a device that the round has taken; None for a round that nobody counted."""
    return sum(one.hours for one in uses(store, opened.prefix)) if opened.devices.by_stage else None


def with_hours(store: Store, loop: str, number: int, end: RoundEnd) -> RoundEnd:
    """The end, with what the round has taken. That it is not known must not hide how the round ended."""
    with suppress(RatchetError, ValueError):
        return end.model_copy(update={"hours": hours_of(store, rounds.read_round(store, loop, number))})
    return end


class Meter:
    """Counts one try of a task; `check` raises BudgetSpent, in the thread that works, once the round's budget is spent.

    The first `check` looks; a task whose artifact is complete has come back before it, whatever the round has taken.
    """

    def __init__(self, store: Store, opened: Round, stage: str, part: str, job: str) -> None:
        self._store, self._round, self._worker = store, opened, threading.get_ident()
        self._use = Use(stage=stage, part=part, job=job, devices=opened.devices.by_stage.get(stage, 0), seconds=0.0)
        name = "-".join([stage, *([part.replace(" ", "-")] if part else []), secrets.token_hex(8)])
        self._key = f"{opened.prefix}/used/{name}.json"
        self._start = time.monotonic()
        self._spent: str | None = None
        self._looked = False

    def beat(self) -> None:
        """Write what is counted by now, and look whether the budget is spent."""
        self._use = self._use.model_copy(update={"seconds": round(time.monotonic() - self._start, 3)})
        self._store.put(self._key, canonical.dumps(self._use.model_dump(mode="json")))
        self.look()

    def look(self) -> None:
        self._looked = True
        budget = self._round.budget
        if not budget or not self._use.devices:
            return
        hours = sum(one.hours for one in uses(self._store, self._round.prefix))
        if hours > budget:
            self._spent = spent_words(self._round, hours)

    def check(self) -> None:
        """Called before the work, and now and then by it."""
        if not self._looked:
            self.look()
        self._raise()

    def _raise(self) -> None:
        if self._spent is not None and threading.get_ident() == self._worker:
            raise BudgetSpent(self._spent)

    def watching(self, progress: Progress) -> Progress:
        """Progress that stops the work when the budget is spent: what a long stage calls most often."""

        def tell(done: int, total: int, unit: str, note: str = "") -> None:
            progress(done, total, unit, note)
            self._raise()

        return tell


@contextmanager
def metering(store: Store, opened: Round, stage: str, part: str, job: str, every: float) -> Iterator[Meter]:
    """Count what the block takes, every `every` seconds and at its end. The block calls `check` before it begins to work."""
    meter, ended = Meter(store, opened, stage, part, job), threading.Event()

    def count() -> None:
        while not ended.wait(every):
            with suppress(RatchetError):
                meter.beat()

    thread = threading.Thread(target=count, name=f"meter {stage}", daemon=True)
    thread.start()
    try:
        yield meter
    finally:
        ended.set()
        thread.join(timeout=JOIN_SECONDS)
        # What the task made counts, also where the last count cannot be written.
        with suppress(RatchetError):
            meter.beat()


def spent_words(opened: Round, hours: float) -> str:
    return (
        f"round {opened.number} of loop {opened.loop} has taken {hours:.3g} hours of a {opened.devices.kind}, its budget is "
        f"{opened.budget:g}; give the next one more (the pipeline's parameter budget, or the policy's), or ask less of it"
    )
