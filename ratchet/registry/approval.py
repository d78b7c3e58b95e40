"""A person's answer to a pending round: the gate says promote, and `promote.decision: human` leaves the last word to a person.

    <round>/approval.json     who answered what, and when: made once, by a conditional put

The answer is written first and carried out after it, so whoever finds it half done finishes it: the same command, or the next
begin. Nothing is promoted without such an answer, whatever a schedule does, and a round that nobody answers does not wait for
ever: after `promote.pending_days` begin takes it for a no.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import Field

from ratchet import canonical, rounds
from ratchet.errors import Conflict, NotFound, RoundError
from ratchet.records import Record
from ratchet.registry import tracking
from ratchet.registry.base import DECISION, Registry
from ratchet.registry.promotion import promote
from ratchet.rounds import Round, RoundEnd, State
from ratchet.store import Store

ANSWERED_BY = "ratchet.answered_by"
ANSWERED_AT = "ratchet.answered_at"
ANSWER_NOTE = "ratchet.answer_note"

Verdict = Literal["approve", "reject", "expire"]
_SAID = {"approve": "approved", "reject": "rejected", "expire": "let expire"}


class Answer(Record):
    """What was answered to a pending round. `expire` is begin's, when nobody did."""

    verdict: Verdict
    by: str
    note: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def words(self) -> str:
        note = f": {self.note}" if self.note else ""
        return f"{_SAID[self.verdict]} by {self.by} on {self.at:%Y-%m-%d %H:%M} UTC{note}"


def pending(store: Store, loop: str) -> list[int]:
    """The loop's rounds that wait for a person, in order."""
    ends = {number: rounds.read_end(store, loop, number) for number in rounds.numbers(store, loop)}
    return [number for number, end in ends.items() if end is not None and end.state == "PENDING"]


def read_answer(store: Store, loop: str, number: int) -> Answer | None:
    try:
        return Answer.model_validate_json(store.get(_place(loop, number)))
    except NotFound:
        return None


def answer(registry: Registry, store: Store, loop: str, number: int | None, given: Answer) -> tuple[int, RoundEnd]:
    """Approve or reject a pending round (None: the only one); its number, and how it ended.

    The same answer again changes nothing and says the same. Raises RoundError where no round waits, or it was answered
    otherwise. An approved candidate whose champion has moved meanwhile is STALE: what was proved is not proved against the
    present one.
    """
    number = _chosen(store, loop, number)
    known = read_answer(store, loop, number)
    if known is None:
        end = rounds.read_end(store, loop, number)
        if end is None or end.state != "PENDING":
            state = "is still running" if end is None else f"has ended as {end.state}"
            raise RoundError(f"round {number} of loop {loop} does not wait for an answer: it {state}. {_list(loop)}")
        with suppress(Conflict):
            store.put_if(_place(loop, number), canonical.pretty(given.model_dump(mode="json")), absent=True)
        known = read_answer(store, loop, number) or given
    if known.verdict != given.verdict:
        raise RoundError(
            f"round {number} of loop {loop} was {known.words()}; that stands. To make another version champion: "
            f"`ratchet rollback --loop {loop} --to VERSION` (with --around-gate where it never was champion)."
        )
    return number, carry_out(registry, store, loop, number, known)


def carry_out(registry: Registry, store: Store, loop: str, number: int, given: Answer) -> RoundEnd:
    """Do what was answered. Safe to repeat, and to do by several at once."""
    opened = rounds.read_round(store, loop, number)
    end = _move(registry, store, opened, given) if given.verdict == "approve" else _no(store, opened, given)
    if end.candidate is not None:
        tags = {DECISION: end.state, ANSWERED_BY: given.by, ANSWERED_AT: given.at.isoformat(timespec="seconds")}
        registry.set_tags(loop, end.candidate, {**tags, ANSWER_NOTE: given.note})
    before = rounds.read_end(store, loop, number)
    hours = None if before is None else before.hours
    stands = rounds.write_end(store, loop, number, end.model_copy(update={"hours": hours}))
    tracking.end_round(registry, store, loop, number, stands)
    return stands


def settle(registry: Registry, store: Store, loop: str) -> None:
    """What a begin does about pending rounds: finish answered ones, let old ones expire.

    Raises RoundError for one that still waits, unless its recipe says `while_pending: go-on`.
    """
    for number in pending(store, loop):
        opened, end = rounds.read_round(store, loop, number), rounds.read_end(store, loop, number)
        given = read_answer(store, loop, number)
        policy = opened.recipe.promote
        until = None
        if end is not None and policy.pending_days is not None:
            until = end.ended + timedelta(days=policy.pending_days)
        if given is None and until is not None and until < datetime.now(UTC):
            note = f"nobody answered within {policy.pending_days:g} days (promote.pending_days)"
            given = Answer(verdict="expire", by="begin", note=note)
            with suppress(Conflict):
                store.put_if(_place(loop, number), canonical.pretty(given.model_dump(mode="json")), absent=True)
            given = read_answer(store, loop, number) or given
        if given is not None:
            carry_out(registry, store, loop, number, given)
        elif policy.while_pending == "wait":
            last = (
                "" if until is None else f" Without an answer it counts as rejected from {until:%Y-%m-%d %H:%M} UTC on."
            )
            raise RoundError(
                f"round {number} of loop {loop} waits for a person: the gate says promote. `ratchet approve --loop {loop} "
                f"--round {number}` or `ratchet reject --loop {loop} --round {number}`.{last} (promote.while_pending: go-on "
                "opens rounds meanwhile.)"
            )


def waiting_words(loop: str, number: int) -> str:
    """The last sentence of a decision that waits."""
    return f"Waits for a person: `ratchet approve --loop {loop} --round {number}` or `ratchet reject`."


def _move(registry: Registry, store: Store, opened: Round, given: Answer) -> RoundEnd:
    decided = rounds.manifests(store, opened.loop, opened.number)["promote"]
    move = promote(
        registry,
        store,
        opened.loop,
        decided.results["candidate"],
        expected=opened.seed.version if opened.seed.name == opened.loop else None,
        key=decided.key,
        by=given.by,
        reason=f"{given.words()}. {' '.join(decided.results['words'][:2])}",
        round=opened.number,
    )
    state: State = "PROMOTED" if move.moved else "STALE"
    reason = (
        given.words() if move.moved or move.done is None else f"{given.words()}, but not promoted: {move.done.note}"
    )
    champion = move.done.champion if move.done is not None else None
    return RoundEnd(
        state=state, reason=reason, job=opened.job, champion=champion, candidate=decided.results["candidate"]
    )


def _no(store: Store, opened: Round, given: Answer) -> RoundEnd:
    decided = rounds.manifests(store, opened.loop, opened.number)["promote"].results
    return RoundEnd(
        state="REFUSED",
        reason=given.words(),
        job=opened.job,
        champion=decided["champion"],
        candidate=decided["candidate"],
    )


def _chosen(store: Store, loop: str, number: int | None) -> int:
    if not rounds.numbers(store, loop):
        there = ", ".join(rounds.loops(store)) or "none"
        raise RoundError(
            f"no loop {loop!r} with rounds under {store.root}; loops there: {there}. Name one with --loop."
        )
    if number is not None:
        if number not in rounds.numbers(store, loop):
            raise RoundError(f"loop {loop} has no round {number}. {_list(loop)}")
        return number
    waiting = pending(store, loop)
    if len(waiting) == 1:
        return waiting[0]
    if waiting:
        raise RoundError(
            f"rounds {', '.join(map(str, waiting))} of loop {loop} wait for an answer; say which: --round N."
        )
    raise RoundError(f"no round of loop {loop} waits for an answer. {_list(loop)}")


def _list(loop: str) -> str:
    return f"`ratchet status --loop {loop}` lists its rounds."


def _place(loop: str, number: int) -> str:
    return f"{rounds.round_prefix(loop, number)}/approval.json"
