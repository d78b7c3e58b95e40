"""The study's curves as one SVG: validation accuracy over CPU-seconds, a line a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.report.svg import tag

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 760, 420, 50, 20, 40, 190
COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"),
    *("#17becf", "#393b79", "#637939", "#8c6d31", "#843c39", "#7b4173", "#3182bd", "#e6550d", "#31a354"),
)
SVG = "http://www.w3.org/2000/svg"
Points = list[tuple[float, float]]


def mean_curves(lines: Sequence[Mapping[str, Any]]) -> dict[str, Points]:
    """Curves by configuration, of the largest budget that has any; looks of its runs are averaged place by place."""
    drawn = [line for line in lines if len(line.get("curve", ())) > 1]
    most = max((line["seconds"] for line in drawn), default=0)
    found: dict[str, list[Points]] = {}
    for line in drawn:
        if line["seconds"] == most:
            found.setdefault(line["name"], []).append(line["curve"])
    return {
        name: [tuple(map(_mean, zip(*looks, strict=True))) for looks in zip(*runs, strict=False)]  # type: ignore[misc]
        for name, runs in found.items()
    }


def curves(lines: Sequence[Mapping[str, Any]]) -> str:
    """The SVG; an empty frame where no run was watched."""
    by_name = mean_curves(lines)
    points = [point for curve in by_name.values() for point in curve] or [(0.0, 0.0), (1.0, 1.0)]
    right = max(x for x, _ in points) or 1.0
    low, high = min(y for _, y in points) - 0.5, max(y for _, y in points) + 0.5

    def place(x: float, y: float) -> str:
        across = LEFT + x / right * (WIDTH - LEFT - RIGHT)
        return f"{across:.1f},{TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM):.1f}"

    parts = [tag("rect", width=WIDTH, height=HEIGHT, fill="white")]
    for y in (low, (low + high) / 2, high):
        height = place(0, y).split(",")[1]
        parts.append(tag("text", f"{y:.1f}", x=LEFT - 6, y=height, text_anchor="end"))
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=height, y2=height, stroke="#ddd"))
    for number, (name, curve) in enumerate(sorted(by_name.items(), key=lambda item: -item[1][-1][1])):
        colour, drawn = COLOURS[number % len(COLOURS)], " ".join(place(*point) for point in curve)
        parts.append(tag("polyline", fill="none", stroke=colour, stroke_width=1.5, points=drawn))
        parts.append(tag("text", name, x=WIDTH - RIGHT + 10, y=TOP + 10 + 18 * number, fill=colour))
    words = f"validation accuracy in %, over {right:.0f} CPU-seconds"
    parts.append(tag("text", words, x=LEFT, y=HEIGHT - 8))
    return tag("svg", *parts, xmlns=SVG, viewBox=f"0 0 {WIDTH} {HEIGHT}", font_family="sans-serif", font_size=12) + "\n"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
