"""95% intervals of figures that are shares of what is counted, and of how they differ between two models on the same items.

A figure is the sum of its hits over the sum of what they are of, an item each: mentions of a caption, answers that say yes. Items that
share a split_key are one cluster, and all mentions of a caption are (`statistics.share_interval`, `paired_ratio_delta`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ratchet.evaluate.counts import DIGITS
from ratchet.evaluate.outcomes import Outcome
from ratchet.statistics import paired_ratio_delta, share_interval

Counted = Callable[[Outcome], tuple[float, float] | None]
"""(hits, of how many) of one item; None where the figure is not of it."""
Pair = tuple[Outcome, Outcome]


def _asked(count: Callable[[bool | None, bool], tuple[float, float]]) -> Counted:
    """Of the yes/no questions: what was said and what is true."""
    return lambda o: None if o.truth_yes is None else count(o.yes, o.truth_yes)


def _described(count: Callable[[Outcome, int], tuple[float, float]]) -> Counted:
    """Of the captions, with their hallucinated mentions."""
    return lambda o: None if o.mentioned is None else count(o, o.hallucinated or 0)


FIGURES: Mapping[str, Mapping[str, Counted]] = {
    "yes_no": {
        "accuracy": _asked(lambda said, true: (said is true, 1)),
        "precision": _asked(lambda said, true: (said is True and true, said is True)),
        "recall": _asked(lambda said, true: (said is True and true, true)),
        "f1": _asked(lambda said, true: (2 * (said is True and true), (said is True) + true)),
        "yes_ratio": _asked(lambda said, _: (said is True, said is not None)),
    },
    "chair": {
        "chair_i": _described(lambda o, wrong: (wrong, o.mentioned or 0)),
        "chair_s": _described(lambda _, wrong: (wrong > 0, 1)),
        "cover": _described(lambda o, _: (o.covered or 0, o.truth or 0)),
    },
    "rates": {"unparsed": lambda o: (o.unparsed, 1), "clipped": lambda o: (o.clipped, 1)},
}
"""By the part of a model's metrics that a figure is in; `rates` stand beside accuracy. The true share of yes is none: it is of the
questions themselves, the same for every model."""


def of_outcomes(outcomes: Sequence[Outcome]) -> dict[str, dict[str, list[float]]]:
    """[low, high] of every figure that has one, by part and name."""
    found = {part: dict(_intervals(figures, outcomes)) for part, figures in FIGURES.items()}
    return {part: figures for part, figures in found.items() if figures}


def of_pairs(pairs: Iterable[Pair]) -> dict[str, dict[str, dict[str, Any]]]:
    """Candidate minus champion of every figure that both have, by part and name: a Delta's fields."""
    pairs = list(pairs)
    found = {part: dict(_changes(figures, pairs)) for part, figures in FIGURES.items()}
    return {part: figures for part, figures in found.items() if figures}


def _intervals(figures: Mapping[str, Counted], outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[float]]]:
    for name, count in figures.items():
        rows = [(found, o.split_key) for o in outcomes if (found := count(o)) is not None]
        marks = [(place < hits, key) for (hits, of), key in rows for place in range(int(of))]
        if marks:
            low, high = share_interval([mark for mark, _ in marks], [key for _, key in marks])
            yield name, [round(low, DIGITS), round(high, DIGITS)]


def _changes(figures: Mapping[str, Counted], pairs: Sequence[Pair]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, count in figures.items():
        rows = [
            (ours, theirs, pair[0].split_key)
            for pair in pairs
            if (ours := count(pair[0])) is not None and (theirs := count(pair[1])) is not None
        ]
        sides = [[(float(row[side][0]), float(row[side][1])) for row in rows] for side in (0, 1)]
        if all(sum(of for _, of in side) for side in sides):
            columns = [([hits for hits, _ in side], [of for _, of in side]) for side in sides]
            delta = paired_ratio_delta(columns[0], columns[1], [key for *_, key in rows]).model_dump()
            yield (
                name,
                {field: round(value, DIGITS) if isinstance(value, float) else value for field, value in delta.items()},
            )
