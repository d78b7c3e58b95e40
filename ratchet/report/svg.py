"""Small pieces of SVG. Text and attributes are escaped; colours come from the page's stylesheet through classes.

Horizontal places are percentages and vertical ones pixels, so a chart stretches with the page while its type does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

from ratchet.report.words import printable


def tag(name: str, *inside: str | Markup, **attributes: str | float | None) -> Markup:
    """An element. `class_` and `aria_label` become class and aria-label; a plain str inside is escaped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    body = Markup("").join(escape(printable(part)) if not isinstance(part, Markup) else part for part in inside)
    return Markup(f"<{name}{written}>{body}</{name}>")


def _plain(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else f"{round(value, 2):g}"


def percent_x(share: float) -> str:
    """A horizontal place or width, from a share in 0..1."""
    return f"{round(100 * min(1.0, max(0.0, share)), 3):g}%"


def at(share: float, *inside: Markup, y: float = 0) -> Markup:
    """Things drawn in pixels around a place in percent."""
    return tag("svg", *inside, x=percent_x(share), y=y, class_="at", width="1", height="1")


def text(x: str | float, y: float, words: str, class_: str | None = None, anchor: str | None = None) -> Markup:
    return tag("text", words, x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: str | float, y1: float, x2: str | float, y2: float, class_: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


# Each state has a shape of its own, so that colour is never the only sign.
_SHAPES = {
    "promoted": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z",
    "refused": "M0 -7.5L7.5 0L0 7.5L-7.5 0z",
    "pending": "M-5 -6h3.4v12h-3.4zM1.6 -6h3.4v12h-3.4z",
    "stale": "M-5.5 -5.5h11v11h-11z",
    "stopped": "M-2.3 -5.5h4.6l3.2 3.2v4.6l-3.2 3.2h-4.6l-3.2 -3.2v-4.6z",
    "failed": "M-5.5 -5.5L5.5 5.5M5.5 -5.5L-5.5 5.5",
    "running": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z",
    "final": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z",
    "champion": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "seed": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "control": "M0 -6L6 5L-6 5z",
}


def mark(kind: str, x: float = 0, y: float = 0) -> Markup:
    """A mark by what it stands for: one of the states in lower case, champion, seed, final or control."""
    return tag("path", d=_SHAPES[kind], class_=f"mark {kind}", transform=f"translate({x:g} {round(y, 2):g})")


def icon(kind: str) -> Markup:
    """A mark to set beside a word."""
    return tag("svg", mark(kind), class_="icon", viewBox="-9 -9 18 18", width="16", height="16", aria_hidden="true")


@dataclass(frozen=True)
class Scale:
    """A range of values, with round ticks inside."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high end."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def scale(values: Iterable[float], *, floor: float | None = None, ceiling: float | None = None, most: int = 6) -> Scale:
    """A scale over the values with at most about `most` round ticks, its ends on ticks within floor and ceiling."""
    known = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    step = _step((high - low) / max(1, most - 1))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(i * step, 10) for i in range(first, last + 1)]
    inside = [t for t in ticks if (floor is None or t >= floor) and (ceiling is None or t <= ceiling)]
    kept = inside if len(inside) > 1 else ticks
    return Scale(kept[0], kept[-1], tuple(kept))


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough - 1e-12)
