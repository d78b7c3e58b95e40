"""Where verifiers disagree: pairs of them over the completions that both decided, counted in whole numbers.

Agreement that chance alone would give is taken out by Cohen's kappa (1960): 1 is full agreement, 0 what two verifiers that
know nothing of each other would reach with the same shares of passes, below 0 less than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from ratchet.records import Verdict

Counts = list[int]
"""Of a pair: both passed it, only the first did, only the second did, both failed it."""


class Pairs:
    """Counts by pair of verifiers, in the order of their names. Adds up over shards."""

    def __init__(self, counts: Iterable[tuple[str, str, Sequence[int]]] = ()) -> None:
        self._counts: dict[tuple[str, str], Counts] = {(one, other): list(some) for one, other, some in counts}

    def add(self, verdicts: Sequence[Verdict], number: int) -> None:
        """What several verifiers said of `number` completions alike; who could not decide is no part of a pair."""
        if len(verdicts) < 2:
            return
        said = sorted((v.verifier, v.passed) for v in verdicts if v.passed is not None)
        for (one, first), (other, second) in combinations(said, 2):
            counts = self._counts.get((one, other))
            if counts is None:
                counts = self._counts[one, other] = [0, 0, 0, 0]
            counts[2 * (not first) + (not second)] += number

    def __iadd__(self, more: Pairs) -> Pairs:
        for (one, other), counts in more._counts.items():
            mine = self._counts.get((one, other), [0, 0, 0, 0])
            self._counts[one, other] = [a + b for a, b in zip(mine, counts, strict=True)]
        return self

    def dump(self) -> list[tuple[str, str, Counts]]:
        return [(one, other, self._counts[one, other]) for one, other in sorted(self._counts)]

    def results(self) -> list[dict[str, Any]]:
        """For each pair: `both` decided so many, `agree`, `disagree` (of which `only_left` and `only_right` passed), kappa."""
        return [_told(left, right, counts) for left, right, counts in self.dump()]


def disagreeing(verdicts: Sequence[Verdict]) -> bool:
    """Whether one verifier passed a completion that another failed."""
    return len({v.passed for v in verdicts if v.passed is not None}) > 1


def kappa(counts: Sequence[int]) -> float | None:
    """Cohen's kappa of a pair; None where one of both gave one answer only: it would be 0 whatever the other said."""
    both, left, right, neither = counts
    whole = sum(counts)
    passed = (both + left, both + right)
    if 0 in passed or whole in passed:
        return None
    chance = passed[0] * passed[1] + (whole - passed[0]) * (whole - passed[1])
    return ((both + neither) * whole - chance) / (whole * whole - chance)


def in_words(found: Sequence[dict[str, Any]], most: int = 3) -> Iterator[str]:
    """The pairs that agree least beyond chance, a line each; the other pairs are counted."""
    ranked = sorted(found, key=lambda one: (one["kappa"] is None, one["kappa"], -one["disagree"]))
    for one in ranked[:most]:
        share = 100 * one["agree"] / one["both"]
        beyond = "no kappa: one of them gave one answer only" if one["kappa"] is None else f"kappa {one['kappa']:.2f}"
        yield f"{one['left']} and {one['right']} agree on {share:.0f}% of {one['both']} that both decided ({beyond})"
    if len(ranked) > most:
        yield f"and {len(ranked) - most} more pairs that agree better"


def _told(left: str, right: str, counts: Counts) -> dict[str, Any]:
    both, only_left, only_right, neither = counts
    found = kappa(counts)
    return {
        "left": left,
        "right": right,
        "both": sum(counts),
        "agree": both + neither,
        "disagree": only_left + only_right,
        "only_left": only_left,
        "only_right": only_right,
        "kappa": None if found is None else round(found, 6),
    }
