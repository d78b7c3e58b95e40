"""Charts of a collection: Reward-Pass@2 over temperatures, the temperature and the skills' weights over the rounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from ratchet.report.charts import percent_tick
from ratchet.report.collection import TemperatureView, skill_weights
from ratchet.report.svg import Scale, at, line, mark, percent_x, scale, tag, text
from ratchet.report.view import RoundView
from ratchet.report.words import finite, number, percent

AXIS = 46
TOP, BOTTOM = 20, 24
HEIGHT = 190
SLOT = 52
MARGIN = 0.1
"""Share of the width left free at both sides, for the numbers of the first and last point."""
SMALL_MARGIN = 0.17
Z95 = 1.96
SKILLS_SHOWN = 12


@dataclass(frozen=True)
class Point:
    """A value at a place in 0..1, with its half interval, what stands above and below it, and its mark's kind."""

    place: float
    value: float
    above: str
    below: str
    half: float = 0.0
    kind: str = "champion"


def temperature_curve(chosen: TemperatureView, number_: int) -> Markup:
    """Reward-Pass@2 at each temperature with 95% intervals (1.96 standard errors); the chosen one stands out."""
    curve = [one for one in chosen.curve if finite(one.pass_at_2) is not None]
    if not curve:
        return Markup("")
    low, high = curve[0].temperature, curve[-1].temperature
    points = [
        Point(
            place=0.5 if high == low else (one.temperature - low) / (high - low),
            value=one.pass_at_2,
            above=percent(one.pass_at_2),
            below=f"{one.temperature:g}",
            half=Z95 * (finite(one.se) or 0.0),
            kind="promoted" if one.temperature == chosen.chosen else "champion",
        )
        for one in curve
    ]
    ends = [value for p in points for value in (p.value - p.half, p.value + p.half)]
    axis = scale([min(1.0, max(0.0, value)) for value in ends], floor=0.0, ceiling=1.0, most=5)
    said = "; ".join(f"temperature {p.below}: {p.above} ± {number(p.half)}" for p in points)
    label = f"Reward-Pass@2 by temperature in round {number_}: {said}. Chosen: {chosen.chosen:g}."
    return _chart(points, axis, label, [percent_tick(tick) for tick in axis.ticks])


def chosen_temperatures(rounds: Sequence[RoundView]) -> Markup:
    """The temperature of each round that chose one; empty for fewer than two."""
    known = [(r, r.collection.temperature.chosen) for r in rounds if r.collection and r.collection.temperature]
    if len(known) < 2:
        return Markup("")
    points = [
        Point(_place(i, len(known)), value, f"{value:g}", f"Round {r.number}", kind="promoted")
        for i, (r, value) in enumerate(known)
    ]
    axis = scale([0.0, *(p.value for p in points)], floor=0.0, most=5)
    label = "Temperature by round: " + "; ".join(f"{p.below} {p.above}" for p in points)
    return _chart(points, axis, label, [f"{tick:g}" for tick in axis.ticks], slot=SLOT + 12)


def weight_charts(rounds: Sequence[RoundView]) -> list[tuple[str, Markup]]:
    """A chart for each skill of its weight over the rounds, all on one scale; those that moved most come first.

    Empty for fewer than two rounds with weights.
    """
    by_round = weights_by_round(rounds)
    if len(by_round) < 2:
        return []
    values = [value for weights in by_round.values() for value in weights.values()]
    axis = scale([0.0, 1.0, *values], floor=0.0, most=4)
    skills = sorted(_skills(by_round), key=lambda skill: -_moved(skill, by_round))
    return [(skill, _weight_chart(skill, by_round, axis)) for skill in skills[:SKILLS_SHOWN]]


DRIFTS: tuple[tuple[str, str], ...] = (
    ("yes_ratio", "Yes ratio"),
    ("pope_f1", "POPE F1"),
    ("chair_i", "CHAIR_i"),
    ("pass_at_k", "pass@k"),
    ("distinct", "Distinct answers"),
    ("unparsed", "Unparsed"),
)
"""Fields of ModelView whose course over the rounds tells a model that goes wrong, and their names."""


def drift_charts(rounds: Sequence[RoundView]) -> list[tuple[str, Markup]]:
    """A small chart of each such metric of the candidates over the rounds; empty for fewer than two measured rounds."""
    measured = [r for r in rounds if r.candidate is not None and r.champion is not None]
    if len(measured) < 2:
        return []
    known = [(f, title) for f, title in DRIFTS if all(getattr(r.candidate, f) is not None for r in measured)]
    return [(title, _drift_chart(field, title, measured)) for field, title in known]


def _drift_chart(field: str, title: str, rounds: Sequence[RoundView]) -> Markup:
    values: list[float] = [getattr(r.candidate, field) for r in rounds]
    first = rounds[0].champion
    rule = first.true_yes_ratio if first is not None and field == "yes_ratio" else getattr(first, field)
    share = field != "distinct"
    axis = scale([*values, *([rule] if rule is not None else [])], floor=0.0, most=4)
    last = len(values) - 1
    points = [
        Point(
            place=_place(i, last + 1),
            value=value,
            above=(percent(value) if share else f"{value:.2f}") if last < 4 or i in (0, last) else "",
            below=str(rounds[i].number) if last < 8 or i in (0, last) else "",
            kind=rounds[i].state.lower(),
        )
        for i, value in enumerate(values)
    ]
    told = "; ".join(
        f"round {r.number} {percent(v) if share else f'{v:.2f}'}" for r, v in zip(rounds, values, strict=True)
    )
    ticks = [percent_tick(tick) if share else f"{tick:g}" for tick in axis.ticks]
    label = f"{title} by round: {told}."
    return _chart(points, axis, label, ticks, height=130, slot=16, rule=rule, margin=SMALL_MARGIN)


def weights_by_round(rounds: Iterable[RoundView]) -> dict[int, dict[str, float]]:
    """Each skill's weight in the rounds that have weights, by round."""
    return {r.number: skill_weights(r.collection.cells) for r in rounds if r.collection and r.collection.cells}


def _skills(by_round: Mapping[int, Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(skill for weights in by_round.values() for skill in weights))


def _moved(skill: str, by_round: Mapping[int, Mapping[str, float]]) -> float:
    values = [weights[skill] for weights in by_round.values() if skill in weights]
    return max(values) - min(values)


def _weight_chart(skill: str, by_round: Mapping[int, Mapping[str, float]], axis: Scale) -> Markup:
    """Numbers stand at the first and last round; between them only where there is room."""
    last = len(by_round) - 1
    points = [
        Point(
            place=_place(i, last + 1),
            value=weights[skill],
            above=f"{weights[skill]:.2f}" if last < 5 or i in (0, last) else "",
            below=str(round_) if last < 8 or i in (0, last) else "",
            kind="promoted" if i == last else "champion",
        )
        for i, (round_, weights) in enumerate(by_round.items())
        if skill in weights
    ]
    told = "; ".join(f"round {n} {weights[skill]:.2f}" for n, weights in by_round.items() if skill in weights)
    label = f"Weight of {skill} by round: {told}."
    return _chart(
        points, axis, label, [f"{tick:g}" for tick in axis.ticks], height=130, slot=16, rule=1.0, margin=SMALL_MARGIN
    )


def _place(index: int, count: int) -> float:
    return 0.5 if count < 2 else index / (count - 1)


def _chart(
    points: Sequence[Point],
    axis: Scale,
    label: str,
    ticks: Sequence[str],
    *,
    height: int = HEIGHT,
    slot: int = SLOT,
    rule: float | None = None,
    margin: float = MARGIN,
) -> Markup:
    """Points joined by a line on a grid; `rule` is a dashed line across at a value."""

    def y(value: float) -> float:
        return TOP + (1 - axis.share(value)) * (height - TOP - BOTTOM)

    def place(point: Point) -> float:
        return margin + point.place * (1 - 2 * margin)

    parts = [line("0", y(t), "100%", y(t), "grid") for t in axis.ticks]
    if rule is not None:
        parts.append(line("0", y(rule), "100%", y(rule), "zero"))
    for one, other in pairwise(points):
        parts.append(line(percent_x(place(one)), y(one.value), percent_x(place(other)), y(other.value), "step"))
    for p in points:
        parts.append(at(place(p), *_marks(p, y(p.value + p.half), y(p.value - p.half), y(p.value), height)))
    plot = tag("svg", *parts, class_="plot", height=height, width="100%", style=f"min-width:{len(points) * slot}px")
    labels = [text(AXIS - 8, y(t) + 4, words, "tick", "end") for t, words in zip(axis.ticks, ticks, strict=True)]
    left = tag("svg", *labels, class_="axis", width=AXIS, height=height, aria_hidden="true")
    scroll = tag("div", plot, class_="scroll", tabindex="0", role="img", aria_label=label)
    return tag("div", left, scroll, class_="chart")


def _marks(p: Point, high: float, low: float, middle: float, height: int) -> list[Markup]:
    parts = []
    if p.half > 0:
        parts += [line(0, low, 0, high, f"whisker {p.kind}")]
        parts += [line(-4, end, 4, end, f"whisker {p.kind}") for end in (low, high)]
    parts.append(mark(p.kind, 0, middle))
    if p.above:
        parts.append(text(0, high - 9, p.above, "value", "middle"))
    parts.append(text(0, height - 5, p.below, "tick", "middle"))
    return parts
