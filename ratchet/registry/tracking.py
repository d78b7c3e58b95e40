"""The registry's run of a round: opened by begin, ended by whoever ends the round, the same whoever opened it.

    <round>/tracking.json     which run it is, and how it was last ended

A registry that does not answer never decides how a round goes or ended: what it missed is told on the standard error, and the
next begin or `ratchet janitor` makes up for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from ratchet import canonical, rounds
from ratchet.errors import NotFound, RatchetError
from ratchet.records import Record
from ratchet.registry.base import LOOP, ROUND, Registry, RunState
from ratchet.rounds import Round, RoundEnd
from ratchet.store import Store

STATE = "ratchet.state"
REASON = "ratchet.reason"
JOB = "ratchet.job"
PAGE = "ratchet.report"
CANCELLED = "cancel"
"""The job of an end that a person wrote."""


class Tracked(Record):
    """The run of a round. `said` is the round's state when the run was last ended; None while it runs."""

    run: str
    registry: str
    said: str | None = None


def read(store: Store, loop: str, number: int) -> Tracked | None:
    try:
        return Tracked.model_validate_json(store.get(_key(loop, number)))
    except NotFound:
        return None


def run_of(store: Store, registry: Registry, loop: str, number: int) -> str | None:
    """The run in this registry."""
    known = read(store, loop, number)
    return known.run if known is not None and known.registry == registry.uri else None


def open_round(registry: Registry, store: Store, opened: Round, job: str) -> None:
    """Open the round's run, or take it up again. One that another try of the round left running in another place is ended."""
    loop, number = opened.loop, opened.number
    tags = {
        LOOP: loop,
        ROUND: str(number),
        JOB: job,
        STATE: "RUNNING",
        "ratchet.recipe": opened.recipe.name,
        "ratchet.parent_version": opened.seed.version or "",
    }

    def work() -> None:
        before = run_of(store, registry, loop, number)
        run = registry.open_run(loop, tags)
        _keep(store, loop, number, Tracked(run=run, registry=registry.uri))
        if before is not None and before != run:
            registry.end_run(before, "KILLED", {STATE: "RESUMED", REASON: f"run {job} goes on with the round"})

    _trying(f"the run of round {number} was not opened", work)


def end_round(registry: Registry, store: Store, loop: str, number: int, end: RoundEnd) -> bool:
    """End the round's run as the round has ended, with what its stages took. Whether that went well; a round without run has none
    to end."""

    def work() -> None:
        run = run_of(store, registry, loop, number)
        if run is None:
            return
        registry.log_run(run, _costs(store, loop, number))
        registry.end_run(run, ended_as(end), _told(store, loop, number, end))
        _keep(store, loop, number, Tracked(run=run, registry=registry.uri, said=end.state))

    return _trying(f"the run of round {number} was not ended as {end.state}", work)


def end_unopened(registry: Registry, loop: str, end: RoundEnd) -> None:
    """End the run that the platform gave to a begin that opened no round."""

    def work() -> None:
        run = registry.given_run()
        if run is not None:
            registry.end_run(run, ended_as(end), {LOOP: loop, STATE: end.state, REASON: end.reason, JOB: end.job})

    _trying(f"the run of {end.job} was not ended as {end.state}", work)


def mend(registry: Registry, store: Store, loop: str, number: int) -> bool:
    """End the run of a round that has ended, if that was missed; whether it was ended now."""
    known, end = read(store, loop, number), rounds.read_end(store, loop, number)
    if known is None or end is None or known.said == end.state or known.registry != registry.uri:
        return False
    return end_round(registry, store, loop, number, end)


def ended_as(end: RoundEnd) -> RunState:
    """A refused round has done its work. One that an alarm, its budget or a person stopped was killed; it did not break."""
    if end.state == "STOPPED" or end.job == CANCELLED:
        return "KILLED"
    return "FAILED" if end.state == "FAILED" else "FINISHED"


def _told(store: Store, loop: str, number: int, end: RoundEnd) -> dict[str, str]:
    prefix = rounds.round_prefix(loop, number)
    tags = {STATE: end.state, REASON: end.reason, JOB: end.job, PAGE: store.uri(f"{prefix}/report.html")}
    return {**tags, **({"ratchet.candidate": end.candidate} if end.candidate else {})}


def _costs(store: Store, loop: str, number: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for stage, manifest in rounds.manifests(store, loop, number).items():
        found[f"{stage}/rows"] = float(manifest.rows)
        found[f"{stage}/seconds"] = sum(manifest.seconds.values())
    return found


def _keep(store: Store, loop: str, number: int, tracked: Tracked) -> None:
    store.put(_key(loop, number), canonical.pretty(tracked.model_dump(mode="json")))


def _key(loop: str, number: int) -> str:
    return f"{rounds.round_prefix(loop, number)}/tracking.json"


def _trying(what: str, work: Callable[[], None]) -> bool:
    try:
        work()
    except (RatchetError, OSError) as error:
        sys.stderr.write(f"{what}: {type(error).__name__}: {error}\n")
        return False
    return True
