"""What a death left open, closed with its reason: rounds whose run is gone, and the registry's runs of rounds that have ended.

A round is only touched when its lease has been still for long: between two stages that a person runs by hand nobody holds it.
Its lease is taken first, so that a run that wakes up again is fenced off, and what promote decided stands.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from ratchet import rounds
from ratchet.errors import LeaseHeld, RatchetError
from ratchet.finish import write_papers
from ratchet.finish.closing import close_dead, end_of_dead
from ratchet.operations.starting import Starter
from ratchet.records import Record
from ratchet.registry import Registry, open_registry, tracking
from ratchet.registry import lease as leases
from ratchet.registry.base import TrackedRun
from ratchet.settings import Settings
from ratchet.stage import lease_seconds
from ratchet.store import Store, open_store

STILL_HOURS = 6.0


class Left(Record):
    """Something that was left open. `state` is what it is closed as; `closed` whether it was."""

    kind: Literal["round", "run"]
    loop: str
    round: int | None
    name: str
    state: str
    why: str
    closed: bool = False


def clean(
    settings: Settings,
    loops: tuple[str, ...],
    *,
    apply: bool = False,
    starter: Starter | None = None,
    still: float = STILL_HOURS,
) -> list[Left]:
    """What is left open in the loops, closed if `apply`. Nothing is asked of a loop that another run works on."""
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    found: list[Left] = []
    for loop in loops:
        for left in _rounds(store, loop, starter, timedelta(hours=still)):
            found.append(_close_round(settings, registry, store, left) if apply else left)
        for left in _runs(registry, store, loop, timedelta(hours=still)):
            found.append(_end_run(registry, store, left) if apply else left)
    return found


def _rounds(store: Store, loop: str, starter: Starter | None, still: timedelta) -> Iterator[Left]:
    open_ = [n for n in rounds.numbers(store, loop) if rounds.read_end(store, loop, n) is None]
    if not open_:
        return
    place = store.sub(rounds.loop_prefix(loop))
    state = leases.read(place)
    now = leases.store_clock(place)
    if state is None or now < state.until + leases.CLOCK_GRAIN or now - state.renewed < still:
        return
    if starter is not None and any(run.run == state.holder for run in starter.running(loop)):
        return
    for number in open_:
        end = end_of_dead(store, loop, number, _why(state, now))
        yield Left(kind="round", loop=loop, round=number, name=state.holder, state=end.state, why=end.reason)


def _why(state: leases.LeaseState, now: datetime) -> str:
    hours = (now - state.renewed).total_seconds() / 3600
    return f"closed by the janitor: run {state.holder} is gone, its lease was still for {hours:.1f} hours"


def _close_round(settings: Settings, registry: Registry, store: Store, left: Left) -> Left:
    number = left.round or 0
    place = store.sub(rounds.loop_prefix(left.loop))
    state, now = leases.read(place), leases.store_clock(place)
    if state is None:
        return left
    try:
        lease = leases.acquire(place, f"janitor-{secrets.token_hex(4)}", lease_seconds())
    except LeaseHeld:
        return left.model_copy(update={"why": "somebody has taken the loop up meanwhile"})
    try:
        end = close_dead(store, left.loop, number, _why(state, now))
    finally:
        lease.release()
    write_papers(settings, left.loop, number, end)
    told = tracking.end_round(registry, store, left.loop, number, end)
    why = end.reason if told else f"{end.reason}; its run in the registry was not ended"
    return left.model_copy(update={"state": end.state, "why": why, "closed": True})


def _runs(registry: Registry, store: Store, loop: str, still: timedelta) -> Iterator[Left]:
    """Runs that the registry says are running, whose round has ended or is another's, or was never opened."""
    known = rounds.numbers(store, loop)
    for run in registry.running(loop):
        end = rounds.read_end(store, loop, run.round) if run.round in known and run.round is not None else None
        if end is not None:
            yield _left(loop, run, end.state, f"its round ended: {end.reason}")
        elif run.round is None or run.round not in known:
            if datetime.now(UTC) - run.started > still:
                yield _left(loop, run, "FAILED", "it belongs to no round that the store knows")
        elif tracking.run_of(store, registry, loop, run.round) not in (None, run.run):
            yield _left(loop, run, "KILLED", "its round goes on in another run")


def _left(loop: str, run: TrackedRun, state: str, why: str) -> Left:
    return Left(kind="run", loop=loop, round=run.round, name=run.run, state=state, why=why)


def _end_run(registry: Registry, store: Store, left: Left) -> Left:
    tags = {tracking.STATE: left.state, tracking.REASON: f"closed by the janitor: {left.why}"}
    end = rounds.read_end(store, left.loop, left.round) if left.round is not None else None
    try:
        if left.round is not None and end is not None:
            if tracking.run_of(store, registry, left.loop, left.round) == left.name:
                return left.model_copy(
                    update={"closed": tracking.end_round(registry, store, left.loop, left.round, end)}
                )
            registry.end_run(left.name, tracking.ended_as(end), tags)
        else:
            registry.end_run(left.name, "KILLED" if left.state == "KILLED" else "FAILED", tags)
    except RatchetError as error:
        sys.stderr.write(f"janitor: run {left.name} was not ended: {type(error).__name__}: {error}\n")
        return left
    return left.model_copy(update={"closed": True})
