"""What is due for a loop, from what the store and the registry say: pure, so that it is the same before and after a kill.

A round that is asked for answers all that was there when it was asked for: a backlog of moves, made while a round ran or while no
trigger was there, is one round from where the champion is now, not a round for each stop on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ratchet import canonical
from ratchet.operations.policy import LoopPolicy, Stopped
from ratchet.operations.trigger.asks import Ask, Cause
from ratchet.operations.trigger.moves import AliasMove
from ratchet.registry.tracking import CANCELLED
from ratchet.rounds import RoundEnd

MOST_FAILURES = 5
"""Rounds in a row that failed, after which the trigger stops the loop: what fails every time costs every time."""
AFTER_REFUSED = "after_refused"
FAILURES = "failures"

Waiting = Literal[
    "no-policy",
    "other-owner",
    "stopped",
    "no-champion",
    "running",
    "answered",
    "pending",
    "stopped-round",
    "waits",
    "behind",
]


@dataclass(frozen=True)
class Seen:
    """What was read of a loop. `round` is 0 and `end` None before the first; `was_stopped`: at this
    very point, and told to go on."""

    loop: str
    policy: LoopPolicy | None
    stopped: Stopped | None
    moves: tuple[AliasMove, ...]
    round: int
    end: RoundEnd | None
    ask: Ask | None
    ask_started: bool
    was_stopped: bool = False

    @property
    def move(self) -> AliasMove | None:
        return self.moves[-1] if self.moves else None

    @property
    def run(self) -> tuple[int, bool, int]:
        """What a run changes when it starts and when it opens its round; that it ends its round changes nothing here."""
        return (self.ask.number if self.ask else 0, self.ask_started, self.round)


@dataclass(frozen=True)
class Idle:
    """Nothing is due, and why."""

    waits: Waiting
    why: str


@dataclass(frozen=True)
class Due:
    """This round is to be started: `ask` is new, or was asked for and not started yet."""

    ask: Ask
    new: bool


@dataclass(frozen=True)
class MustStop:
    """The loop is to be stopped, by this rule."""

    rule: str
    why: str


Decision = Idle | Due | MustStop


def decide(seen: Seen) -> Decision:
    """What is due, without asking whether a run of the loop goes on: whoever starts it looks."""
    closed = _closed(seen)
    if closed is not None:
        return closed
    if seen.move is None or seen.move.target is None:
        return Idle(
            "no-champion", f"no version is champion; `ratchet init --loop {seen.loop} --seed MODEL` registers the first"
        )
    if seen.ask is not None and not seen.ask_started:
        return Due(seen.ask, new=False)
    if seen.ask is None or seen.move.number > seen.ask.move:
        return _due(seen, "move", seen.move.words(), f"move-{seen.move.number}")
    return _after(seen, seen.ask)


def _closed(seen: Seen) -> Idle | None:
    give = f"`ratchet loop policy --loop {seen.loop} --owner trigger"
    if seen.policy is None:
        return Idle("no-policy", f"only people start its rounds; {give} --recipe NAME` gives it to the trigger")
    if seen.policy.owner != "trigger":
        return Idle("other-owner", f"its rounds are started by: {seen.policy.owner}; {give}` gives it to the trigger")
    if seen.stopped is not None:
        return Idle("stopped", seen.stopped.words(seen.loop))
    return None


def _after(seen: Seen, ask: Ask) -> Decision:
    """What follows the run that the last ask became."""
    ended = seen.end is not None and (seen.round > ask.round or ask.open)
    if not ended:
        return _again(
            seen, "vanished", f"run {ask.number} of the trigger ended, and ended no round", f"ask-{ask.number}"
        )
    assert seen.end is not None
    state, told = seen.end.state, f"round {seen.round} was {seen.end.state}: {seen.end.reason}"
    if state == "PROMOTED":
        return Idle("answered", f"{told}; the next move of the alias starts the next round")
    if state == "PENDING":
        return Idle("pending", f"{told}; a person has the word")
    if state == "STOPPED":
        if seen.was_stopped:
            return _due(seen, "stopped", f"{told}; the loop was told to go on", f"round-{seen.round}")
        return Idle("stopped-round", f"{told}; nothing follows but the next move of the alias")
    if seen.end.job == CANCELLED:
        if seen.was_stopped:
            return _due(seen, "stopped", f"{told}; the loop was told to go on", f"round-{seen.round}")
        return Idle("waits", f"{told}; a person ended it, so nothing follows but the next move of the alias")
    if state == "FAILED":
        return _again(seen, "failed", told, f"round-{seen.round}")
    return _by_policy(seen, "stale" if state == "STALE" else "refused", told, f"round-{seen.round}")


def _again(seen: Seen, cause: Cause, told: str, key: str) -> Decision:
    failures = seen.ask.failures + 1 if seen.ask else 1
    if failures >= MOST_FAILURES and not seen.was_stopped:
        return MustStop(FAILURES, f"{failures} rounds failed one after the other, the last: {told}")
    return _by_policy(seen, cause, told, key, 0 if failures >= MOST_FAILURES else failures)


def _by_policy(seen: Seen, cause: Cause, told: str, key: str, failures: int = 0) -> Decision:
    assert seen.policy is not None
    wish = seen.policy.after_refused
    if wish == "wait":
        return Idle("waits", f"{told}; the policy waits for the next move of the alias")
    if wish == "stop" and not seen.was_stopped:
        return MustStop(AFTER_REFUSED, f"{told}; the policy stops the loop after such a round")
    return _due(seen, cause, told, key, failures)


def _due(seen: Seen, cause: Cause, why: str, name: str, failures: int = 0) -> Due:
    number = seen.ask.number + 1 if seen.ask else 1
    move = seen.move.number if seen.move else 0
    ask = Ask(
        number=number,
        key=_key(seen, name),
        cause=cause,
        why=why,
        move=move,
        round=seen.round,
        open=seen.round > 0 and seen.end is None,
        failures=failures,
    )
    return Due(ask, new=True)


def _key(seen: Seen, name: str) -> str:
    """Unique over loops, and over a loop that was removed and made again under its name; a platform's label holds it."""
    first = seen.moves[0].at.isoformat() if seen.moves else ""
    return f"{name}-{canonical.digest([seen.loop, first, name])[:12]}"
