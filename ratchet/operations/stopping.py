"""When a loop stops by itself: the rules of its policy, looked at when a round has ended and before one begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ratchet import rounds
from ratchet.errors import RoundStopped
from ratchet.operations.policy import Stopped, StopRules, read_policy, read_resumed, read_stopped, stop
from ratchet.rounds import RoundEnd
from ratchet.store import Store


@dataclass(frozen=True)
class Since:
    """What counts for the rules: the ends of the rounds after the loop last went on, in order."""

    store: Store
    loop: str
    ends: Mapping[int, RoundEnd]

    @property
    def without_promotion(self) -> int:
        """Rounds in a row, to the last, that promoted nothing. One that waits for a person is not decided, and ends the row."""
        row = 0
        for end in reversed(list(self.ends.values())):
            if end.state in ("PROMOTED", "PENDING"):
                break
            row += 1
        return row

    @property
    def hours(self) -> float:
        return sum(end.hours or 0.0 for end in self.ends.values())

    @property
    def alarm(self) -> str | None:
        """What stopped the last round on purpose; None for a budget, which is no alarm."""
        number = max(self.ends, default=0)
        end = self.ends.get(number)
        if end is None or end.state != "STOPPED":
            return None
        return None if rounds.only_budget_spent(self.store, self.loop, number, end.job) else end.reason


def since(store: Store, loop: str) -> Since:
    after = read_resumed(store, loop).after
    ends = {n: rounds.read_end(store, loop, n) for n in rounds.numbers(store, loop) if n > after}
    return Since(store, loop, {number: end for number, end in ends.items() if end is not None})


def apply(store: Store, loop: str) -> Stopped | None:
    """Stop the loop if a rule of its policy says so, and return why it is stopped; None for one that goes on."""
    stopped, policy = read_stopped(store, loop), read_policy(store, loop)
    if stopped is not None or policy is None:
        return stopped
    counted = since(store, loop)
    for rule, check in RULES.items():
        why = check(policy.stop, counted)
        if why is not None:
            return stop(store, loop, Stopped(why=why, rule=rule, after=max(counted.ends, default=0)))
    return None


def refuse(store: Store, loop: str) -> None:
    """Raise RoundStopped for a loop that is stopped, or that a rule stops now: whoever ended its last round may have been killed."""
    stopped = apply(store, loop)
    if stopped is not None:
        raise RoundStopped(stopped.words(loop))


def _alarm(rules: StopRules, counted: Since) -> str | None:
    found = counted.alarm if rules.on_alarm else None
    return None if found is None else f"round {max(counted.ends)} was stopped: {found}"


def _promotes_nothing(rules: StopRules, counted: Since) -> str | None:
    most, row = rules.rounds_without_promotion, counted.without_promotion
    return None if most is None or row < most else f"{row} rounds in a row promoted nothing (the rule allows {most})"


def _rounds(rules: StopRules, counted: Since) -> str | None:
    most, had = rules.rounds, len(counted.ends)
    return None if most is None or had < most else f"it had {had} rounds (the rule allows {most})"


def _hours(rules: StopRules, counted: Since) -> str | None:
    most, hours = rules.gpu_hours, counted.hours
    if most is None or hours < most:
        return None
    return f"its rounds took {hours:.3g} hours of a device (the rule allows {most:g})"


RULES: Mapping[str, Callable[[StopRules, Since], str | None]] = {
    "on_alarm": _alarm,
    "rounds_without_promotion": _promotes_nothing,
    "rounds": _rounds,
    "gpu_hours": _hours,
}
"""In the order in which they are looked at; names are those of StopRules."""
