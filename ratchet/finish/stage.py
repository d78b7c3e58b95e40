"""finish: the exit task. It knows only the loop and the job, reads what the stages left, and says how the round ended.

A round is PROMOTED, REFUSED, PENDING or STALE only if promote's manifest says so. It is STOPPED if that says so, or if the first
stage that has no manifest ended the round on purpose: an alarm, or an audit. Whatever the graph's exit codes were, anything
else is FAILED, with that stage and what it said.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from ratchet import canonical, rounds
from ratchet.errors import LeaseLost, RatchetError, StoreError
from ratchet.finish import leftovers
from ratchet.launching.trainjob import RECORD
from ratchet.operations import stopping
from ratchet.registry import lease as leases
from ratchet.registry import open_registry, tracking
from ratchet.rounds import RoundEnd, Ticket
from ratchet.rounds.refusals import read_refusal
from ratchet.settings import Settings
from ratchet.stage import STEPS, lease_of
from ratchet.store import Store, open_store
from ratchet.usage import with_hours

SILENT = "it left no manifest and no message: its process was killed, or never started"


def finish(job: str, loop: str, settings: Settings) -> RoundEnd:
    """End the round that run `job` worked on, release the lease, write its report. Never raises for a failed round.

    A run that lost the loop ends nothing: its round may be in the work of another run, or ended by it.
    """
    store = open_store(settings.root)
    ticket = rounds.read_run(store, loop, job)
    if ticket is None:
        return _unopened(settings, loop, job)
    lease = lease_of(store, ticket)
    try:
        lease.check()
    except LeaseLost as error:
        said = rounds.read_end(store, loop, ticket.number)
        return said or RoundEnd(state="FAILED", reason=f"LeaseLost: {error}", job=job)
    end = rounds.write_end(store, loop, ticket.number, with_hours(store, loop, ticket.number, end_of(store, ticket)))
    _end_job(store, ticket)
    leftovers.sweep(store, loop, ticket.number, end)
    _stop_loop(store, loop)
    lease.release()
    write_papers(settings, ticket.loop, ticket.number, end)
    tracking.end_round(open_registry(settings, store), store, loop, ticket.number, end)
    return end


def _stop_loop(store: Store, loop: str) -> None:
    """Where a rule of the loop's policy says so. What goes wrong is made up for by the next begin, which looks too."""
    try:
        stopped = stopping.apply(store, loop)
    except (RatchetError, ValueError) as error:
        sys.stderr.write(f"finish: whether loop {loop} is to stop is not known: {type(error).__name__}: {error}\n")
        return
    if stopped is not None:
        sys.stderr.write(f"finish: {stopped.words(loop)}\n")


def _unopened(settings: Settings, loop: str, job: str) -> RoundEnd:
    """How a run ended whose begin opened no round, in begin's own words."""
    store = open_store(settings.root)
    # A begin that was killed may have taken the loop before it had a round.
    leases.free(store.sub(rounds.loop_prefix(loop)), job)
    refusal = read_refusal(store, loop, job)
    if refusal is None:
        said = f"run {job} opened no round: begin was killed, or never started; its log says more"
        end = RoundEnd(state="FAILED", reason=said, job=job)
    else:
        end = RoundEnd(state="STOPPED" if refusal.on_purpose else "FAILED", reason=refusal.words, job=job)
    tracking.end_unopened(open_registry(settings, store), loop, end)
    return end


def write_papers(settings: Settings, loop: str, number: int, end: RoundEnd) -> None:
    """The round's report, and the card of a version that it promoted: also after a person has answered."""
    if _write_report(open_store(settings.root), loop, number):
        _register_report(settings, loop, number, end)
    _write_card(settings, loop, end)


def end_of(store: Store, ticket: Ticket) -> RoundEnd:
    """What the manifests say of the round's end."""
    done = rounds.manifests(store, ticket.loop, ticket.number)
    failures = rounds.read_failures(store, ticket.loop, ticket.number, ticket.job)
    missing = [name for name in STEPS if name not in done]
    if missing:
        return _undecided(store, ticket, missing, failures)
    results = done["promote"].results
    return RoundEnd(
        state=results["state"],
        reason=results["words"][-1]
        if results["state"] in ("STALE", "STOPPED", "PENDING")
        else results["decision"]["reason"],
        job=ticket.job,
        champion=results.get("champion"),
        candidate=results.get("candidate"),
    )


def _undecided(store: Store, ticket: Ticket, missing: Sequence[str], failures: Mapping[str, str]) -> RoundEnd:
    """What the first stage without a manifest said. Where it said nothing, a finished one may have: a task that was tried again
    when it was done, and failed then, keeps those after it from starting."""
    first = next((name for name in ("begin", *missing) if name in failures), missing[0])
    before = [name for name in STEPS if name in failures and name not in missing]
    stops = rounds.read_stops(store, ticket.loop, ticket.number, ticket.job)
    told = before[-1] if first not in failures and before and before[-1] in stops else first
    if told in stops:
        return RoundEnd(state="STOPPED", reason=f"{told}: {stops[told]}", job=ticket.job)
    refusal = read_refusal(store, ticket.loop, ticket.job) if first == missing[0] == "generate" else None
    if refusal is not None and first not in failures:
        return RoundEnd(state="FAILED", reason=refusal.words, job=ticket.job)
    said = failures.get(first, SILENT)
    if first not in failures and before:
        said = f"{said}; {before[-1]}, which had finished, was tried again and said {failures[before[-1]]}"
    return RoundEnd(state="FAILED", reason=f"{first}: {said}", job=ticket.job)


def _end_job(store: Store, ticket: Ticket) -> None:
    """Delete the TrainJob that a killed or cancelled train has left: no other try of the step will come."""
    prefix = rounds.round_prefix(ticket.loop, ticket.number)
    try:
        if store.stat(f"{prefix}/{RECORD}") is None:
            return
    except StoreError as error:
        sys.stderr.write(f"finish: whether a TrainJob is left is not known: {error}\n")
        return
    from ratchet.train.launchers.trainjob import leftover

    told = leftover.clean(store, prefix, ticket.job)
    if told is not None:
        sys.stderr.write(f"finish: {told}\n")


def _write_report(store: Store, loop: str, number: int) -> bool:
    """Whether there is a report. A report also for a failed round; a report that cannot be made must not hide how the round ended."""
    from ratchet.report.writing import write_pages

    prefix = rounds.round_prefix(loop, number)
    try:
        write_pages(store, loop, number)
    except (RatchetError, ValueError, KeyError) as error:
        store.put(
            f"{prefix}/report-failure.json", canonical.pretty({"error": type(error).__name__, "message": str(error)})
        )
        return False
    return True


def _register_report(settings: Settings, loop: str, number: int, end: RoundEnd) -> None:
    """With the version that the round made, in the registry; what goes wrong there must not hide how the round ended."""
    from ratchet.report.writing import register_reports

    if end.candidate is None:
        return
    store = open_store(settings.root)
    try:
        register_reports(open_registry(settings, store), store, loop, number, end.candidate)
    except (RatchetError, OSError) as error:
        place = f"{rounds.round_prefix(loop, number)}/report.html"
        sys.stderr.write(
            f"finish: the registry did not take the report: {type(error).__name__}: {error}; it is at {store.uri(place)}\n"
        )


def _write_card(settings: Settings, loop: str, end: RoundEnd) -> None:
    from ratchet.cards.keeping import card_at_end

    card_at_end(settings, loop, end)
