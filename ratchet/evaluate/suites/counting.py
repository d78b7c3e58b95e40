"""Figures that many suites share, over marked items: one pass, in any order. Unscored items count in no share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable

from ratchet.evaluate.counts import YesNoCounts, share
from ratchet.evaluate.suites.base import Marked, SuiteFigures


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
