"""Figures of the procedural suites: of items, of sets that must be right or agree as a whole, by part and by difficulty."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from ratchet.evaluate.counts import share
from ratchet.evaluate.suites.base import Marked, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy
from ratchet.evaluate.suites.procedural.grading import BANDS, band

Figures = Callable[[Sequence[Marked]], SuiteFigures]
DIGITS = 3


def pairs(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy and pair accuracy; where points were asked for, also the mean distance from the target's centre."""
    return _in_parts(list(rows), _paired)


def consistency(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy, sets that are right as a whole, and whether answers agree as they must."""
    return _in_parts(list(rows), _consistent)


def _in_parts(rows: list[Marked], figures: Figures) -> SuiteFigures:
    """Of all rows, of each category, and of each band of difficulty."""
    categories, bands = defaultdict[str, list[Marked]](list), defaultdict[str, list[Marked]](list)
    for row in rows:
        categories[row.category].append(row)
        bands[band(row.facts["difficulty"])].append(row)
    return {
        **figures(rows),
        "categories": {name: figures(part) for name, part in sorted(categories.items())},
        "bands": {name: figures(bands[name]) for name in BANDS if name in bands},
    }


def whole_sets(rows: Iterable[Marked]) -> list[list[Marked]]:
    """Sets of which every item is there and scored."""
    units = defaultdict[str | None, list[Marked]](list)
    for row in rows:
        units[row.unit].append(row)
    return [
        unit
        for unit in units.values()
        if len(unit) == unit[0].facts["of"] and all(r.mark.score is not None for r in unit)
    ]


def _right(rows: Sequence[Marked]) -> tuple[int, int]:
    """(sets right as a whole, sets)."""
    whole = whole_sets(rows)
    return sum(all(row.mark.correct for row in unit) for unit in whole), len(whole)


def _paired(rows: Sequence[Marked]) -> SuiteFigures:
    right, whole = _right(rows)
    found: SuiteFigures = {**accuracy(rows), "pair_accuracy": share(right, whole), "pairs": whole}
    away = [row.mark.counts["distance"] for row in rows if "distance" in row.mark.counts]
    if away:
        found["mean_distance"] = round(sum(away) / len(away), DIGITS)
    return found


def _consistent(rows: Sequence[Marked]) -> SuiteFigures:
    right, whole = _right(rows)
    by_part = defaultdict[str, list[list[Marked]]](list)
    for unit in whole_sets(rows):
        by_part[unit[0].category].append(unit)
    against, compared = contradictions(by_part["contradiction"])
    return {
        **accuracy(rows),
        "set_accuracy": share(right, whole),
        "sets": whole,
        "consistency": _agreeing(by_part["views"]),
        "order_invariance": _agreeing(by_part["order"]),
        "contradiction_rate": share(against, compared),
        "contradiction_pairs": compared,
    }


def meaning(row: Marked) -> str | None:
    """What the answer comes to in the set's common terms; None where nothing could be read."""
    return None if row.mark.said is None else row.facts.get("means", {}).get(row.mark.said, row.mark.said)


def _agreeing(units: Sequence[Sequence[Marked]]) -> float | None:
    """Share of sets whose answers all come to the same; one that cannot be read agrees with none."""
    told = [{meaning(row) for row in unit} for unit in units]
    return share(sum(len(one) == 1 and None not in one for one in told), len(told))


def contradictions(units: Iterable[Sequence[Marked]]) -> tuple[int, int]:
    """(pairs of answers in a set that cannot both be true, pairs of readable answers)."""
    against = compared = 0
    for unit in units:
        told = Counter(found for row in unit if (found := meaning(row)) is not None)
        many = sum(told.values())
        compared += many * (many - 1) // 2
        against += (many * many - sum(count * count for count in told.values())) // 2
    return against, compared
