"""Figures that many suites share, over marked items: one pass, in any order. Unscored items count in no share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from ratchet.evaluate.suites.base import Marked, SuiteFigures

DIGITS = 6


def share(part: float, whole: float) -> float | None:
    """part / whole; None of nothing."""
    return round(part / whole, DIGITS) if whole else None


def all_right(rows: Iterable[Marked], group: Callable[[Marked], Hashable]) -> SuiteFigures:
    """Share of groups with no wrong answer: `share`, of so many `groups`. One with an unscored item is undecided, and in none."""
    right: dict[Hashable, bool | None] = {}
    for row in rows:
        before, now = right.get(group(row), True), row.mark.correct
        right[group(row)] = None if before is None or now is None else before and now
    decided = [one for one in right.values() if one is not None]
    return {"share": share(sum(decided), len(decided)), "groups": len(decided)}


def by_category(rows: Iterable[Marked], figures: Callable[[Iterable[Marked]], SuiteFigures]) -> SuiteFigures:
    """`figures` of all rows and, under each category's name in `categories`, of that category's."""
    parts: dict[str, list[Marked]] = defaultdict(list)
    for row in rows:
        parts[row.category].append(row)
    whole = figures(row for part in parts.values() for row in part)
    return {**whole, "categories": {name: figures(part) for name, part in sorted(parts.items())}}


def accuracy(rows: Iterable[Marked]) -> SuiteFigures:
    """Mean score: `accuracy`, with `items`, `unscored` and the share of the scored ones that was `unparsed`."""
    items = unscored = unparsed = 0
    total = 0.0
    for row in rows:
        items += 1
        if row.mark.score is None:
            unscored += 1
        else:
            unparsed += row.mark.said is None
            total += row.mark.score
    return {
        "accuracy": share(total, items - unscored),
        "items": items,
        "unscored": unscored,
        "unparsed": share(unparsed, items - unscored),
    }


def accuracy_by_category(rows: Iterable[Marked]) -> SuiteFigures:
    """`accuracy`, also by category."""
    return by_category(rows, accuracy)


@dataclass
class YesNoCounts:
    """Of yes/no questions; precision and recall are of the positive class, an unreadable answer is wrong and says neither."""

    positive: str = "yes"
    items: int = 0
    right: int = 0
    hits: int = 0
    said_positive: int = 0
    true_positive: int = 0
    said_yes: int = 0
    true_yes: int = 0
    parsed: int = 0

    def add(self, said: str | None, truth: str | None) -> None:
        self.items += 1
        self.parsed += said is not None
        self.right += said == truth
        self.hits += said == truth == self.positive
        self.said_positive += said == self.positive
        self.true_positive += truth == self.positive
        self.said_yes += said == "yes"
        self.true_yes += truth == "yes"

    def figures(self) -> SuiteFigures:
        return {
            "accuracy": share(self.right, self.items),
            "precision": share(self.hits, self.said_positive),
            "recall": share(self.hits, self.true_positive),
            "f1": share(2 * self.hits, self.said_positive + self.true_positive),
            "yes_ratio": share(self.said_yes, self.parsed),
            "true_yes_ratio": share(self.true_yes, self.items),
            "items": self.items,
            "unparsed": share(self.items - self.parsed, self.items),
        }


def yes_no(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy, precision, recall, F1 and the share of yes among what was said; `unscored` were not answered at all."""
    counts = YesNoCounts()
    unscored = 0
    for row in rows:
        if row.mark.score is None:
            unscored += 1
        else:
            counts.add(row.mark.said, row.reference)
    return {**counts.figures(), "unscored": unscored}
