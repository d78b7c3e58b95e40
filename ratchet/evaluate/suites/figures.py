"""Figures of one model on a suite with their intervals, and the paired difference of two models. Pure.

Where the suite's primary figure is the mean of its items' scores, intervals are those of `ratchet.statistics`, by cluster.
Any other (F1, pair accuracy, CHAIR) is computed again on halves of the clusters, drawn without putting back: its variance over
such halves is that over samples of the whole size (Shao and Wu 1989, delete-half), and no pair of items is torn or doubled. Of
very many items smaller parts are drawn, and their spread is scaled to the whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratchet.artifacts.columns import paused_gc
from ratchet.errors import ArtifactError
from ratchet.evaluate.suites.base import Marked, Suite, SuiteFigures
from ratchet.statistics import Delta, clustered_share, paired_delta

DRAWS = 200
MOST_ROWS = 10_000
"""Rows in a draw, about."""
SEED = 7
DIGITS = 6
CONFIDENCE = 0.95
FEWEST = 10
"""Clusters from which halves say anything: of fewer even the interval by t covers too little."""


@dataclass(frozen=True)
class Measured:
    """One model's marked answers to a suite. `digest` is that of the items; `judge` pins who marked them, None for rules."""

    suite: Suite
    digest: str
    rows: Sequence[Marked]
    judge: Mapping[str, Any] | None = None


def figures(measured: Measured) -> dict[str, Any]:
    """The suite's own figures, and the interval of the primary one as `interval` (None: not to be had)."""
    with paused_gc():
        found = measured.suite.metrics(measured.rows)
        return {**found, "interval": _interval(measured, primary(measured.suite, found))}


def primary(suite: Suite, found: SuiteFigures) -> float | None:
    """The figure that stands for the suite."""
    value = found.get(suite.primary)
    return None if value is None or isinstance(value, dict) else float(value)


def delta(candidate: Measured, champion: Measured) -> dict[str, Any] | None:
    """Candidate minus champion of the primary figure, with its 95% interval; None where either has none.

    `test` says how: paired (mean of scores) or halves. Raises ArtifactError where the two are not to be compared.
    """
    check_alike(candidate, champion)
    theirs = {row.key: row for row in champion.rows}
    if theirs.keys() != {row.key for row in candidate.rows}:
        raise ArtifactError(
            f"{candidate.suite.name}: the two models did not answer the same items; measure both again."
        )
    pairs = [(row, theirs[row.key]) for row in candidate.rows]
    if is_mean(candidate) and is_mean(champion):
        return _paired(pairs)
    return _halves(candidate.suite, pairs)


def check_alike(one: Measured, other: Measured) -> None:
    """Raise ArtifactError for another suite, other items or another judge: such figures say nothing side by side."""
    name = one.suite.name
    if (name, one.digest) != (other.suite.name, other.digest):
        raise ArtifactError(
            f"suite {name} {one.digest[:12]} is not {other.suite.name} {other.digest[:12]}: their items differ, so they are not "
            "compared. Measure both models on the same files, parts and limit."
        )
    if one.judge != other.judge:
        differ = sorted(
            k
            for k in {*(one.judge or {}), *(other.judge or {})}
            if (one.judge or {}).get(k) != (other.judge or {}).get(k)
        )
        raise ArtifactError(
            f"suite {name} was marked by different judges or prompts ({', '.join(differ) or 'one by a rule'} differ), so its "
            "figures are not compared. Mark both models by one judge with the same settings."
        )


def is_mean(measured: Measured, whole: float | None = None) -> bool:
    """Whether the primary figure is the mean of the items' scores: on all items (`whole`, where it is known), and on parts."""
    suite, rows = measured.suite, measured.rows
    if not _is_mean_of(rows, primary(suite, suite.metrics(rows)) if whole is None else whole):
        return False
    groups = list(clusters(rows).values())
    halves = ([row for group in some for row in group][:MOST_ROWS] for some in (groups[::2], groups[1::2]))
    return all(_is_mean_of(half, primary(suite, suite.metrics(half))) for half in halves if half)


def _is_mean_of(rows: Sequence[Marked], found: float | None) -> bool:
    scores = [row.mark.score for row in rows if row.mark.score is not None]
    return bool(scores) and found is not None and abs(found - sum(scores) / len(scores)) < 2 * 10**-DIGITS


def clusters(rows: Iterable[Marked]) -> dict[str, list[Marked]]:
    """Rows by what they hang together by: items of one cluster, and those that are scored together (a unit)."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    listed = list(rows)
    found: dict[str, list[Marked]] = defaultdict(list)
    if all(row.unit is None for row in listed):
        for row in listed:
            found[row.cluster].append(row)
        return dict(found)
    for row in listed:
        of = root(f"c {row.cluster}")
        if row.unit is not None:
            parent[root(f"u {row.unit}")] = of
    for row in listed:
        found[root(f"c {row.cluster}")].append(row)
    return dict(found)


def _interval(measured: Measured, whole: float | None) -> tuple[float, float] | None:
    rows = [row for row in measured.rows if row.mark.score is not None]
    if rows and is_mean(measured, whole):
        names = _labels(rows)
        scores = [row.mark.score or 0.0 for row in rows]
        return _rounded(clustered_share(scores, names))
    if whole is None:
        return None
    spread = _spread(measured.rows, lambda part: primary(measured.suite, measured.suite.metrics(part)))
    return None if spread is None else _rounded((whole - spread, whole + spread))


def _paired(pairs: Sequence[tuple[Marked, Marked]]) -> dict[str, Any] | None:
    both = [(a, b) for a, b in pairs if a.mark.score is not None and b.mark.score is not None]
    if not both:
        return None
    ours, theirs = ([row.mark.score or 0.0 for row in side] for side in zip(*both, strict=True))
    return _told(paired_delta(ours, theirs, _labels([a for a, _ in both])), "paired")


def _halves(suite: Suite, pairs: Sequence[tuple[Marked, Marked]]) -> dict[str, Any] | None:
    other = {a.key: b for a, b in pairs}
    rows = [a for a, _ in pairs]

    def gain(part: Sequence[Marked]) -> float | None:
        ours = primary(suite, suite.metrics(part))
        theirs = primary(suite, suite.metrics([other[row.key] for row in part]))
        return None if ours is None or theirs is None else ours - theirs

    whole = gain(rows)
    spread = None if whole is None else _spread(rows, gain)
    if whole is None or spread is None:
        return None
    count = len(clusters(rows))
    return _told(Delta(n=len(rows), clusters=count, delta=whole, low=whole - spread, high=whole + spread), "halves")


def _spread(rows: Sequence[Marked], of: Callable[[Sequence[Marked]], float | None]) -> float | None:
    """Half the width of the interval of a figure; None of too few clusters, and where most draws have no figure."""
    from scipy.special import stdtrit

    groups = list(clusters(rows).values())
    if len(groups) < FEWEST:
        return None
    size = max(min(len(groups) // 2, MOST_ROWS * len(groups) // len(rows)), 1)
    rng = np.random.default_rng(SEED)
    values = []
    for _ in range(DRAWS):
        chosen = np.sort(rng.choice(len(groups), size, replace=False, shuffle=False))
        value = of([row for place in chosen for row in groups[place]])
        values += [] if value is None else [value]
    if len(values) < DRAWS // 2:
        return None
    # Of an odd number the smaller half: a little wide, never narrow.
    scale = 1.0 if size == len(groups) // 2 else (size / (len(groups) - size)) ** 0.5
    return float(stdtrit(len(groups) - 1, 0.5 + CONFIDENCE / 2)) * float(np.std(values, ddof=1)) * scale


def _labels(rows: Sequence[Marked]) -> list[int]:
    groups = clusters(rows)
    number = {row.key: place for place, group in enumerate(groups.values()) for row in group}
    return [number[row.key] for row in rows]


def _told(found: Delta, test: str) -> dict[str, Any]:
    return {**{name: round(value, DIGITS) for name, value in found.model_dump().items()}, "test": test}


def _rounded(pair: tuple[float, float]) -> tuple[float, float]:
    low, high = pair
    return round(low, DIGITS), round(high, DIGITS)
