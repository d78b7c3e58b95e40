"""Plots one table row high: the row's words and numbers say the same, so these are hidden from screen readers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from ratchet.report.organising import PairView, SaidView
from ratchet.report.svg import Scale, at, line, mark, percent_x, scale, tag, text
from ratchet.report.view import Estimate, RoundView, StageView
from ratchet.report.words import bounds, finite, signed

BAR = 9


def _cell(height: int, *inside: Markup, class_: str = "cell") -> Markup:
    return tag("svg", *inside, class_=class_, width="100%", height=height, aria_hidden="true")


def _rule(share: float, kind: str = "grid") -> Markup:
    """A line across a row, out to where the next row's begins."""
    return line(percent_x(share), -12, percent_x(share), 44, kind)


def bars(pairs: Sequence[tuple[str, Estimate | None]]) -> Markup:
    """Rates from 0 to 100% as bars under each other, each with its interval. A pair is a colour's name and a rate."""
    parts = [_rule(q) for q in (0, 0.25, 0.5, 0.75, 1)]
    for index, (kind, rate) in enumerate(pairs):
        top = 3 + index * (BAR + 5)
        if rate is None or finite(rate.value) is None:
            continue
        parts.append(tag("rect", x="0", y=top, width=percent_x(rate.value), height=BAR, class_=f"bar {kind}", rx=1.5))
        if ends := bounds(rate):
            middle = top + BAR / 2
            parts.append(line(percent_x(ends[0]), middle, percent_x(ends[1]), middle, "interval"))
            parts += [line(percent_x(e), middle - 3, percent_x(e), middle + 3, "interval") for e in ends]
    return _cell(32, *parts)


def bar_ticks() -> Markup:
    places = ((0, "start"), (0.5, "middle"), (1, "end"))
    return _cell(16, *(text(percent_x(q), 12, f"{q:.0%}", "tick", anchor) for q, anchor in places))


def delta_scale(deltas: Iterable[Estimate | None]) -> Scale:
    """One scale for several differences, with zero inside."""
    values = [0.0]
    for delta in deltas:
        if delta is not None and finite(delta.value) is not None:
            values += [delta.value, *(bounds(delta) or ())]
    return scale(values, most=5)


def delta_ticks(axis: Scale) -> Markup:
    anchors = {0: "start", len(axis.ticks) - 1: "end"}
    ticks = (
        text(percent_x(axis.share(t)), 12, signed(t).removesuffix(".0"), "tick", anchors.get(i, "middle"))
        for i, t in enumerate(axis.ticks)
    )
    return _cell(16, *ticks)


def forest(delta: Estimate | None, axis: Scale, kind: str) -> Markup:
    """A difference as a mark on its interval, against a line at zero."""
    parts = [_rule(axis.share(t)) for t in axis.ticks]
    parts.append(_rule(axis.share(0), "zero"))
    if delta is not None and finite(delta.value) is not None:
        if ends := bounds(delta):
            low, high = (percent_x(axis.share(e)) for e in ends)
            parts.append(line(low, 17, high, 17, f"whisker {kind}"))
            parts += [line(x, 12, x, 22, f"whisker {kind}") for x in (low, high)]
        parts.append(at(axis.share(delta.value), mark(kind, 0, 0), y=17))
    return _cell(34, *parts)


def fill(part: float | None, whole: float | None, kind: str = "plain") -> Markup:
    """One bar as a share of a whole."""
    share = part / whole if part and whole else 0.0
    track = tag("rect", x="0", y="3", width="100%", height="10", class_="track", rx=2)
    return _cell(16, track, tag("rect", x="0", y="3", width=percent_x(share), height="10", class_=f"bar {kind}", rx=2))


def stage_seconds(stage: StageView) -> float:
    return sum(v for v in stage.seconds.values() if finite(v) is not None)


def stage_names(rounds: Iterable[RoundView]) -> list[str]:
    """All stages, in the order in which they first ran."""
    return list(dict.fromkeys(s.name for r in rounds for s in r.stages))


def round_times(shown: RoundView) -> Mapping[str, float]:
    return {s.name: stage_seconds(s) for s in shown.stages}


def kinds(shown: RoundView, name: str) -> list[tuple[str, float]]:
    """What a stage's seconds went to, most first."""
    seconds = next((stage.seconds for stage in shown.stages if stage.name == name), {})
    return sorted(((kind, value) for kind, value in seconds.items() if finite(value)), key=lambda one: -one[1])


def longest(rounds: Iterable[RoundView]) -> float:
    return max((sum(round_times(r).values()) for r in rounds), default=0.0)


def stack(shown: RoundView, names: Sequence[str], whole: float) -> Markup:
    """A round's seconds by stage, in order, as one bar whose length is its share of the longest round."""
    parts, start = [], 0.0
    times = round_times(shown)
    for index, name in enumerate(names):
        share = times.get(name, 0.0) / whole if whole else 0.0
        x, width = percent_x(start), percent_x(share)
        parts.append(
            tag("rect", tag("title", name), x=x, y="2", width=width, height="22", class_=f"stage s{index % 8}")
        )
        if share > 0.16:
            parts.append(text(percent_x(start + share / 2), 17, name, f"inside s{index % 8}", "middle"))
        start += share
    return _cell(26, *parts)


def verdicts(said: SaidView) -> Markup:
    """One verifier's verdicts as shares of one bar: passed, failed, and what it left open."""
    parts, start = [tag("rect", x="0", y="8", width="100%", height="14", class_="track", rx=2)], 0.0
    for kind, number in (("final", said.passed), ("refused", said.failed), ("open", said.scored + said.unscored)):
        share = number / said.verdicts if said.verdicts else 0.0
        parts.append(tag("rect", x=percent_x(start), y="8", width=percent_x(share), height="14", class_=f"bar {kind}"))
        start += share
    return _cell(30, *parts)


def measured(kind: str, precision: Estimate | None, recall: Estimate | None, base: float | None) -> Markup:
    """Precision over recall as bars with intervals; the share of right answers as a dashed line across both."""
    drawn = bars(((kind, precision), ("seed", recall)))
    if base is None:
        return drawn
    return _cell(32, drawn, line(percent_x(base), -2, percent_x(base), 34, "base"))


def heat(part: int, whole: int) -> str:
    """How strong a cell's colour is, in percent."""
    return f"{60 * part / whole if whole else 0:.0f}"


def disagreement_heat(pair: PairView) -> str:
    """Strong where two verifiers agree no better than chance; none where there is no kappa."""
    return f"{0 if pair.kappa is None else 50 * min(1.0, max(0.0, 1 - pair.kappa)):.0f}"
