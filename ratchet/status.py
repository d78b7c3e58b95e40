"""What `ratchet status` tells: champion, rounds, decisions, cost, and who holds the loop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ratchet import rounds
from ratchet.alarms import raised
from ratchet.artifacts import Manifest
from ratchet.autonomy import RoundAutonomy, decided_by_person
from ratchet.operations.policy import read_stopped
from ratchet.registry import lease as leases
from ratchet.registry import open_registry
from ratchet.registry.promotion import Move, history
from ratchet.rounds import Round
from ratchet.rounds.refusals import latest_refusal
from ratchet.settings import Settings
from ratchet.stage import STEPS
from ratchet.store import Store, open_store


def loop_status(settings: Settings, loop: str) -> dict[str, Any]:
    """One loop as JSON-able data. Seconds are of the stages' own clocks, summed over processes."""
    store = open_store(settings.root)
    champion = open_registry(settings, store).champion(loop)
    moves = history(store, loop)
    return {
        "loop": loop,
        "root": settings.root,
        "champion": None
        if champion is None
        else {"version": champion.version, "uri": champion.uri, "digest": champion.digest},
        "rounds": [_round(store, loop, number, moves) for number in rounds.numbers(store, loop)],
        "moves": [
            {
                "number": move.number,
                "kind": move.intent.kind,
                "from": move.intent.origin,
                "to": move.intent.target,
                "moved": move.moved,
                "by": move.intent.by,
                "at": move.intent.at,
                "reason": move.intent.reason,
            }
            for move in moves
        ],
        "lease": _lease(store, loop),
        "stopped": _stopped(store, loop),
        "refused": _refused(store, loop),
    }


def all_loops(settings: Settings) -> list[str]:
    return rounds.loops(open_store(settings.root))


def autonomy_of_round(opened: Round, candidate: str | None, moves: Sequence[Move]) -> RoundAutonomy | None:
    """What begin recorded, with a person as the one who decided where the candidate became champion without ratchet.

    None for rounds that are older than the record.
    """
    first = next((m for m in moves if m.moved and candidate is not None and m.intent.target == candidate), None)
    if opened.autonomy is None or first is None or first.intent.kind != "outside":
        return opened.autonomy
    return decided_by_person(opened.autonomy)


def said_so_far(store: Store, opened: Round) -> str | None:
    """What the stages of an open round said that failed: those of its latest run, the one nearest to the end first told.

    "generate failed: SamplingError: ..."; None where nothing failed.
    """
    job = opened.job
    state = leases.read(store.sub(rounds.loop_prefix(opened.loop)))
    if state is not None:
        latest = rounds.read_run(store, opened.loop, state.holder)
        job = state.holder if latest is not None and latest.number == opened.number else job
    failures = rounds.read_failures(store, opened.loop, opened.number, job)
    last = next((name for name in reversed(("begin", *STEPS)) if name in failures), None)
    return None if last is None else f"{last} failed: {failures[last]}"


def stands_still(store: Store, loop: str) -> bool:
    """Whether no living run holds the loop: its lease was released, or ran out.

    By this machine's clock, which is good enough to show; who takes a lease compares on the store's.
    """
    state = leases.read(store.sub(rounds.loop_prefix(loop)))
    return state is None or state.released or state.until + leases.CLOCK_GRAIN < datetime.now(UTC)


def why_open(store: Store, opened: Round) -> tuple[str | None, bool]:
    """What there is to say of a round that has not ended, and whether it stands still."""
    said, stopped = said_so_far(store, opened), stands_still(store, opened.loop)
    if not stopped:
        return said, False
    nobody = f"no run works on it now; `ratchet resume --loop {opened.loop}` goes on"
    return f"stopped: {said or nobody}", True


def _round(store: Store, loop: str, number: int, moves: Sequence[Move]) -> dict[str, Any]:
    opened = rounds.read_round(store, loop, number)
    end = rounds.read_end(store, loop, number)
    done = rounds.manifests(store, loop, number)
    decision = done["promote"].results["decision"] if "promote" in done else {}
    candidate = done["promote"].results["candidate"] if "promote" in done else None
    autonomy = autonomy_of_round(opened, candidate, moves)
    reason, stopped = (end.reason, False) if end else why_open(store, opened)
    return {
        "round": number,
        "state": end.state if end else "RUNNING",
        "reason": reason,
        "stopped": stopped,
        "audit": _audit(store, opened, done.get("verify")),
        "alarms": [{"before": moment, **alarm.model_dump()} for moment, alarm in raised(store, loop, number)],
        "seed_version": opened.seed.version,
        "candidate_version": candidate,
        "autonomy": autonomy.model_dump(mode="json") if autonomy else None,
        "delta": decision.get("delta", {}).get("delta"),
        "delta_ci": [decision["delta"]["low"], decision["delta"]["high"]] if decision else None,
        "artifacts": {name: done[name].uri for name in sorted(done, key=lambda name: done[name].created)},
        "kept": done["filter"].counts["kept"] if "filter" in done else None,
        "stage_seconds": round(sum(sum(m.seconds.values()) for m in done.values()), 1),
        "device_hours": end.hours if end else None,
        "seconds": round((end.ended - opened.opened).total_seconds(), 1) if end else None,
    }


def _audit(store: Store, opened: Round, verified: Manifest | None) -> str | None:
    """What the round's audit found, in a line; None where there was none."""
    from ratchet.report.organising import audit_view
    from ratchet.report.organising_words import audit_line

    found = audit_view(store, opened.prefix, verified)
    return None if found is None else audit_line(found)


def _stopped(store: Store, loop: str) -> dict[str, Any] | None:
    """Why the loop starts no round, and how to go on; None for one that does."""
    found = read_stopped(store, loop)
    return None if found is None else {**found.model_dump(mode="json"), "words": found.words(loop)}


def _refused(store: Store, loop: str) -> dict[str, Any] | None:
    """The last begin that failed, if no round has begun since."""
    found, known = latest_refusal(store, loop), rounds.numbers(store, loop)
    if found is None or (known and rounds.read_round(store, loop, known[-1]).opened > found.at):
        return None
    return {"job": found.job, "at": found.at, "words": found.words}


def _lease(store: Store, loop: str) -> dict[str, Any] | None:
    state = leases.read(store.sub(rounds.loop_prefix(loop)))
    if state is None or state.released:
        return None
    return {
        "holder": state.holder,
        "epoch": state.epoch,
        "renewed": state.renewed,
        "until": state.until,
        "live": not stands_still(store, loop),
    }
