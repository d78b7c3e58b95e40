"""What judges cost: calls, tokens and their price. Counted once, whether a stage was killed meanwhile or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratchet.recipe import JudgeConfig

Spent = Counter[str]
"""Of one judge: calls, cached, failed, tokens_in, tokens_out."""
MILLION = 1_000_000


@dataclass
class Spending:
    """Counts by judge since they were last taken. `heard` is told how many replies have come in all.

    `part` names the share of a stage that is at work. A reply that an earlier, killed try of the same part paid for counts as
    a call the first time it is met again, since nobody else will count it.
    """

    part: str = ""
    heard: Callable[[int], None] | None = None
    replies: int = 0
    _by_judge: dict[str, Spent] = field(default_factory=dict)
    _counted: set[tuple[str, str]] = field(default_factory=set)

    def begin(self, part: str) -> None:
        """What is spent from here on belongs to `part`."""
        self.part = part
        self._counted.clear()

    def called(self, judge: str, key: str, tokens_in: int, tokens_out: int, failed: bool) -> None:
        """A judge was asked and replied, or failed to."""
        counts = self._of(judge)
        counts.update(calls=1, tokens_in=tokens_in, tokens_out=tokens_out, failed=int(failed))
        self._counted.add((judge, key))
        self.replies += 1
        if self.heard is not None:
            self.heard(self.replies)

    def recalled(self, judge: str, key: str, by: str, tokens_in: int, tokens_out: int) -> None:
        """A reply was there already; `by` is the part that it was paid in."""
        if self.part and by == self.part and (judge, key) not in self._counted:
            self.called(judge, key, tokens_in, tokens_out, False)
        else:
            self._of(judge).update(cached=1)

    def take(self) -> dict[str, Spent]:
        """The counts by judge; they begin again at none."""
        found, self._by_judge = self._by_judge, {}
        return found

    def _of(self, judge: str) -> Spent:
        return self._by_judge.setdefault(judge, Counter())


def spent_in_words(spent: Mapping[str, Spent], judges: Mapping[str, JudgeConfig]) -> dict[str, Any]:
    """For a manifest: counts by judge, and their cost by the recipe's prices (cached replies cost nothing)."""
    return {name: _priced(spent[name], judges.get(name, JudgeConfig())) for name in sorted(spent)}


def _priced(counts: Spent, config: JudgeConfig) -> dict[str, Any]:
    cost = (counts["tokens_in"] * config.price_in + counts["tokens_out"] * config.price_out) / MILLION
    names = ("calls", "cached", "failed", "tokens_in", "tokens_out")
    return {**{name: counts[name] for name in names}, "cost": round(cost, 6)}
