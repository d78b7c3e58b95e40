"""Figures over units: items that count as one, right only when all of them are (rotations of options, pairs, views, steps).

A unit is decided where all its items are there and scored; the others are counted and in no share, whatever their other items
say: to count only the wrong ones among them would bend the share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from ratchet.evaluate.counts import share
from ratchet.evaluate.suites.base import Marked, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy

SIZE = "of"
"""The fact that says how many items an item's unit has. Without it a unit is whole as it is."""


def gathered(rows: Iterable[Marked], key: Callable[[Marked], Hashable]) -> dict[Hashable, list[Marked]]:
    """Rows by key, in the order of their coming."""
    parts: dict[Hashable, list[Marked]] = defaultdict(list)
    for row in rows:
        parts[key(row)].append(row)
    return parts


def unit_of(row: Marked) -> str:
    """The row's unit, or its key where it stands alone."""
    return row.unit or row.key


def together(
    rows: Iterable[Marked],
    key: Callable[[Marked], Hashable] = unit_of,
    size: Callable[[Marked], int | None] = lambda row: row.facts.get(SIZE),
) -> SuiteFigures:
    """Share of units with all items right: `accuracy`, with `units`, and of those the `unscored` and `incomplete`."""
    right = unscored = incomplete = 0
    units = gathered(rows, key)
    for unit in units.values():
        if (size(unit[0]) or len(unit)) != len(unit):
            incomplete += 1
        elif any(row.mark.score is None for row in unit):
            unscored += 1
        else:
            right += all(row.mark.correct for row in unit)
    return {
        "accuracy": share(right, len(units) - unscored - incomplete),
        "units": len(units),
        "unscored": unscored,
        "incomplete": incomplete,
    }


def by_facts(
    rows: Iterable[Marked],
    facets: Mapping[str, Callable[[Marked], str | Sequence[str] | None]],
    figures: Callable[[Iterable[Marked]], SuiteFigures] = accuracy,
) -> SuiteFigures:
    """`figures` of all rows, and of each value of each facet. A row may have several values of one, or none (null, empty)."""
    every = list(rows)
    found = figures(every)
    for name, value in facets.items():
        parts: dict[str, list[Marked]] = defaultdict(list)
        for row in every:
            said = value(row)
            for one in [said] if isinstance(said, str) else said or ():
                if one:
                    parts[one].append(row)
        found[name] = {one: figures(part) for one, part in sorted(parts.items())}
    return found


def mean(figures: Iterable[SuiteFigures], of: str = "accuracy") -> float | None:
    """The plain mean of one figure of several parts; None where a part has none."""
    values = [one[of] for one in figures]
    known = [value for value in values if isinstance(value, int | float)]
    return share(sum(known), len(known)) if len(known) == len(values) else None


def fact(name: str) -> Callable[[Marked], str | Sequence[str] | None]:
    """Reads a fact of a row."""
    return lambda row: row.facts.get(name)


def category(row: Marked) -> str:
    """The row's category."""
    return row.category
