"""The section on training: in words, and its measures as small charts that are server-side SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from ratchet.report.svg import Scale, line, scale, tag, text
from ratchet.report.training import METRICS, TrainingView
from ratchet.report.words import percent

__all__ = ["METRICS", "ends", "metric_charts", "trained"]

HEIGHT = 84
Points = Sequence[tuple[int, float]]


def trained(view: TrainingView) -> str:
    """One sentence or more on what was learned from."""
    start = "the loop's first seed" if view.start == "base" else "the round's seed"
    said = f"{view.method.upper()} from {start}: {view.rows:,} rows, visited {view.visits:,} times in {view.steps:,} steps."
    if view.replayed:
        said += f" {view.replayed:,} rows ({percent(view.replayed / view.rows)}) are of earlier rounds."
    if view.left_out:
        said += f" {view.left_out:,} rows are left to later rounds."
    return said


def metric_charts(view: TrainingView) -> list[tuple[str, Markup, str]]:
    """For each metric its title, its chart and where it began and ended, in the order of METRICS."""
    return [(METRICS[name], _chart(METRICS[name], view.curves[name]), ends(view.curves[name])) for name in view.curves]


def ends(points: Points) -> str:
    """Where a curve began and ended."""
    known = [(s, v) for s, v in points if math.isfinite(v)]
    if not known:
        return "no finite value"
    (first, began), (last, ended) = known[0], known[-1]
    return f"From {began:.3g} at step {first:,} to {ended:.3g} at step {last:,}."


def _chart(title: str, points: Points) -> Markup:
    known = [(s, v) for s, v in points if math.isfinite(v)]
    if not known:
        return Markup("")
    axis = scale([v for _, v in known], most=3)
    first, wide = known[0][0], max(1, known[-1][0] - known[0][0])
    drawn = " ".join(f"{300 * (s - first) / wide:.2f},{_y(v, axis):.2f}" for s, v in known)
    grid = [line(0, _y(t, axis), 300, _y(t, axis), "grid") for t in axis.ticks]
    box = f"0 0 300 {HEIGHT}"
    plot = tag(
        "svg",
        *grid,
        tag("polyline", points=drawn, class_="loss"),
        viewBox=box,
        preserveAspectRatio="none",
        height=HEIGHT,
        width="100%",
    )
    ticks = [text(38, _y(t, axis) + 4, f"{t:g}", "tick", "end") for t in axis.ticks]
    left = tag("svg", *ticks, class_="axis", width=44, height=HEIGHT)
    inside = tag("div", plot, class_="scroll")
    return tag("div", left, inside, class_="chart", role="img", aria_label=f"{title}. {ends(points)}")


def _y(value: float, axis: Scale) -> float:
    return 8 + (1 - axis.share(value)) * (HEIGHT - 16)
