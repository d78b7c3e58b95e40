"""Runs at the API as people look at them: which there are, how one ends, and how to end one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ratchet import rounds
from ratchet.errors import PlatformError, PlatformUnavailable, RoundError
from ratchet.loop import cancel
from ratchet.operations.starts import origin_of
from ratchet.platform.asking import NotThere
from ratchet.platform.pipelines import Pipelines, is_active, parameters_of
from ratchet.platform.places import Place
from ratchet.platform.starter import runs_of, state_of
from ratchet.records import Record
from ratchet.registry import lease as leases
from ratchet.rounds import RoundEnd
from ratchet.settings import Settings
from ratchet.store import Store, open_store

LOOK_SECONDS = 3.0
MOST = 20


class RunShown(Record):
    """A run: what the platform says, and what our store says of its round."""

    run: str
    name: str
    loop: str
    state: str
    by: str
    created: str | None
    round: int | None
    ended: str | None
    why: str | None


class StoppedRun(Record):
    """What became of a run that was to end. `ended` is how its round ended; None: it had opened none that was still open."""

    run: str
    terminated: bool
    ended: str | None


def is_alive(client: Pipelines, run: str) -> bool | None:
    """Whether a run has not ended; None where the API knows no such run, as one that was started by hand."""
    try:
        return bool(is_active(client.run(run)))
    except NotThere:
        return None


def list_runs(client: Pipelines, store: Store, place: Place, loop: str, most: int = MOST) -> list[RunShown]:
    """The newest runs of a loop."""
    found = client.find_experiment(place.experiment_of(loop))
    if found is None:
        return []
    shown: list[RunShown] = []
    for run in client.runs(found.experiment_id):
        if parameters_of(run).get("loop") == loop:
            shown.append(_shown(store, loop, run))
        if len(shown) == most:
            break
    return shown


def _shown(store: Store, loop: str, run: Any) -> RunShown:
    ticket = rounds.read_run(store, loop, run.run_id)
    # A round that another run took up again ended by that run.
    end = round_of(store, loop, run.run_id)
    asked = origin_of(store, loop, run.run_id)
    state = state_of(run)
    return RunShown(
        run=run.run_id,
        name=run.display_name,
        loop=loop,
        state=state.state,
        by="schedule" if run.recurring_run_id else asked.origin if asked is not None else "UI",
        created=run.created_at.isoformat() if run.created_at is not None else None,
        round=ticket.number if ticket is not None else None,
        ended=end.state if end is not None else None,
        why=state.why,
    )


def round_of(store: Store, loop: str, run: str) -> RoundEnd | None:
    """How the round ended that this run worked on."""
    ticket = rounds.read_run(store, loop, run)
    end = rounds.read_end(store, loop, ticket.number) if ticket is not None else None
    return end if end is not None and end.job in (run, "cancel") else None


def loop_of(run: Any) -> str:
    """The loop that a run works for. Raises PlatformError for a run of another pipeline."""
    loop = parameters_of(run).get("loop")
    if not isinstance(loop, str):
        raise PlatformError(f"run {run.run_id} ({run.display_name}) is none of ratchet's: it has no parameter loop.")
    return rounds.check_loop_name(loop)


def wait(client: Pipelines, run: str, seen: Callable[[str], None], every: float = LOOK_SECONDS) -> str:
    """Until the run has ended: its last state. A server that is away for a while is waited for."""
    last = ""
    while True:
        try:
            found = client.run(run)
        except PlatformUnavailable as error:
            # The run goes on without us; what there is to say is said, and asked again.
            seen(f"waiting: {error}")
            time.sleep(every)
            continue
        state = state_of(found).state
        if state != last:
            seen(state)
            last = state
        if not is_active(found):
            return state
        time.sleep(every)


def stop_run(client: Pipelines, settings: Settings, run: str, why: str) -> StoppedRun:
    """End a run at the platform, and its round in the store; what its pods still write is refused."""
    found = client.run(run)
    loop = loop_of(found)
    terminated = is_active(found) and found.state != "CANCELING"
    if terminated:
        client.terminate(run)
    return StoppedRun(run=run, terminated=terminated, ended=_end_round(settings, loop, run, why))


def stop_loop(client: Pipelines, settings: Settings, place: Place, loop: str, why: str) -> list[StoppedRun]:
    """The same for all runs of a loop that have not ended, and for a round whose run is gone."""
    active = [state.run for state in runs_of(client, place.experiment_of(loop), loop, active=True)]
    stopped = [stop_run(client, settings, run, why) for run in active]
    holder = _working(open_store(settings.root), loop)
    if holder is not None and holder not in active:
        stopped.append(StoppedRun(run=holder, terminated=False, ended=_end_round(settings, loop, holder, why)))
    return stopped


def _end_round(settings: Settings, loop: str, run: str, why: str) -> str | None:
    """End the round that this run works on, if it works on one; another run's round is left alone."""
    store = open_store(settings.root)
    if _working(store, loop) != run:
        # It may have taken the loop and not come to a round: its exit task does not run.
        leases.free(store.sub(rounds.loop_prefix(loop)), run)
        ticket = rounds.read_run(store, loop, run)
        end = rounds.read_end(store, loop, ticket.number) if ticket is not None else None
        return f"{end.state}: {end.reason}" if end is not None and end.job == run else None
    try:
        end = cancel(settings, loop, f"{why} (run {run} was stopped)")
    except RoundError:
        return None  # its exit task was faster by a moment
    return f"{end.state}: {end.reason}"


def _working(store: Store, loop: str) -> str | None:
    """The run that works on the loop's open round."""
    known = rounds.numbers(store, loop)
    if not known or rounds.read_end(store, loop, known[-1]) is not None:
        return None
    state = leases.read(store.sub(rounds.loop_prefix(loop)))
    ticket = rounds.read_run(store, loop, state.holder) if state is not None else None
    return ticket.job if ticket is not None and ticket.number == known[-1] else None
