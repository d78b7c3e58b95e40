"""What a death left open, closed with its reason: rounds whose run is gone, and the registry's runs of rounds that have ended.

A round is only touched when its lease has been still for long: between two stages that a person runs by hand nobody holds it.
Where the platform says that the holder's run has ended, nothing has to be waited for. The lease is taken first, so that a run that
wakes up again is fenced off, and what promote decided stands.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from ratchet import rounds
from ratchet.errors import LeaseHeld, PlatformError, PlatformUnavailable, RatchetError
from ratchet.finish import write_papers
from ratchet.finish.closing import close_dead, end_of_dead
from ratchet.records import Record
from ratchet.registry import Registry, open_registry, tracking
from ratchet.registry import lease as leases
from ratchet.registry.base import TrackedRun
from ratchet.settings import Settings
from ratchet.stage import lease_seconds
from ratchet.store import Store, open_store

STILL_HOURS = 6.0
ENDED_STILL = timedelta(minutes=5)
"""However surely a run has ended: a last write of its pods may be under way."""
Alive = Callable[[str], bool | None]
"""Whether a run has not ended; None: it is none of the platform's. Raises PlatformError where that cannot be told."""


class Left(Record):
    """Something that was left open. `state` is what it is closed as; `closed` whether it was."""

    kind: Literal["round", "run", "lease"]
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
    alive: Alive | None = None,
    still: float = STILL_HOURS,
) -> list[Left]:
    """What is left open in the loops, closed if `apply`. Nothing is asked of a loop that another run works on. Without `alive` the
    lease alone tells, after `still` hours."""
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    found: list[Left] = []
    for loop in loops:
        for left in _rounds(store, loop, alive, timedelta(hours=still)):
            found.append(_close(settings, registry, store, left, alive) if apply else left)
        for left in _runs(registry, store, loop, timedelta(hours=still)):
            found.append(_end_run(registry, store, left) if apply else left)
    return found


def _rounds(store: Store, loop: str, alive: Alive | None, still: timedelta) -> Iterator[Left]:
    open_ = [n for n in rounds.numbers(store, loop) if rounds.read_end(store, loop, n) is None]
    place = store.sub(rounds.loop_prefix(loop))
    state = leases.read(place)
    if state is None or (state.released and not open_):
        return
    lives, now = _lives(alive, state.holder), leases.store_clock(place)
    if lives or (lives is None and now < state.until + leases.CLOCK_GRAIN):
        return
    if now - state.renewed < (still if lives is None else min(still, ENDED_STILL)):
        return
    why = _why(state, now, asked=lives is not None)
    for number in open_:
        end = end_of_dead(store, loop, number, why)
        yield Left(kind="round", loop=loop, round=number, name=state.holder, state=end.state, why=end.reason)
    if lives is False and not open_:
        yield Left(kind="lease", loop=loop, round=None, name=state.holder, state="released", why=why)


def _lives(alive: Alive | None, run: str) -> bool | None:
    """As the platform says; a run that it does not answer for is left alone, and one that we may not see goes by its lease."""
    try:
        return alive(run) if alive is not None else None
    except PlatformError as error:
        away = isinstance(error, PlatformUnavailable)
        said = "its loop is left alone" if away else "its lease alone tells"
        sys.stderr.write(f"janitor: nobody knows whether run {run} lives, so {said}: {error}\n")
        return True if away else None


def _why(state: leases.LeaseState, now: datetime, *, asked: bool) -> str:
    hours = (now - state.renewed).total_seconds() / 3600
    gone = "has ended, as Kubeflow Pipelines says" if asked else "is gone"
    return f"closed by the janitor: run {state.holder} {gone}, its lease was still for {hours:.1f} hours"


def _close(settings: Settings, registry: Registry, store: Store, left: Left, alive: Alive | None) -> Left:
    place = store.sub(rounds.loop_prefix(left.loop))
    if left.kind == "lease":
        leases.free(place, left.name)
        return left.model_copy(update={"closed": True})
    number = left.round or 0
    state, now = leases.read(place), leases.store_clock(place)
    if state is None:
        return left
    ended = alive is not None and state.holder == left.name and _lives(alive, left.name) is False
    try:
        lease = leases.acquire(
            place,
            f"janitor-{secrets.token_hex(4)}",
            lease_seconds(),
            holder_ended=lambda holder: ended and holder == left.name,
        )
    except LeaseHeld:
        return left.model_copy(update={"why": "somebody has taken the loop up meanwhile"})
    try:
        end = close_dead(store, left.loop, number, _why(state, now, asked=ended))
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
