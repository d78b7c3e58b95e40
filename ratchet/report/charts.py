"""Charts over rounds: the champion timeline and the training loss. Server-side SVG that follows the page's width."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from ratchet.report.sentences import state_word
from ratchet.report.svg import Scale, at, line, mark, percent_x, scale, tag, text
from ratchet.report.view import Estimate, LoopView, ModelView, RoundView
from ratchet.report.words import bounds, capital, finite, percent, rate_words

AXIS = 46
TOP, BOTTOM = 22, 84
HEIGHT = 340
SLOT = 80
APART = 20.0


def timeline(view: LoopView) -> Markup:
    """Champion and candidate of every round with intervals, who was champion when, and the report items at the end."""
    shown = [e for r in view.rounds for e in (_accuracy(r.champion), _accuracy(r.candidate)) if e]
    final = [m for m in (view.seed, view.final) if m is not None]
    shown += [m.accuracy for m in final]
    if not shown:
        return Markup("")
    axis = scale(_spread(shown), floor=0.0, ceiling=1.0)
    slots = len(view.rounds) + bool(final)
    parts = [_grid(axis)]
    for index, round_ in enumerate(view.rounds):
        parts.append(at((index + 0.5) / slots, *_round_marks(round_, axis)))
    if final:
        parts.append(line(percent_x((slots - 1) / slots), 0, percent_x((slots - 1) / slots), HEIGHT - 26, "divide"))
        parts.append(at((slots - 0.5) / slots, *_final_marks(view, axis)))
    parts.append(_ribbon(view, slots))
    plot = tag("svg", *parts, class_="plot", height=HEIGHT, width="100%", style=f"min-width:{slots * SLOT}px")
    return _framed(plot, axis, f"Accuracy by round. {_told(view)}")


def _framed(plot: Markup, axis: Scale, label: str) -> Markup:
    labels = [text(AXIS - 8, _y(axis, t) + 4, percent_tick(t), "tick", "end") for t in axis.ticks]
    left = tag("svg", *labels, class_="axis", width=AXIS, height=HEIGHT, aria_hidden="true")
    scroll = tag("div", plot, class_="scroll", tabindex="0", role="img", aria_label=label)
    return tag("div", left, scroll, class_="chart")


def percent_tick(value: float) -> str:
    rounded = round(100 * value, 1)
    return f"{rounded:g}%"


def _spread(estimates: Sequence[Estimate]) -> list[float]:
    values = []
    for e in estimates:
        values += [e.value, *(bounds(e) or ())]
    return values


def _accuracy(model: ModelView | None) -> Estimate | None:
    return model.accuracy if model is not None and finite(model.accuracy.value) is not None else None


def _y(axis: Scale, value: float) -> float:
    return TOP + (1 - axis.share(value)) * (HEIGHT - TOP - BOTTOM)


def _grid(axis: Scale) -> Markup:
    return Markup("").join(line("0", _y(axis, t), "100%", _y(axis, t), "grid") for t in axis.ticks)


def _whisker(estimate: Estimate, axis: Scale, x: float, kind: str) -> list[Markup]:
    ends = bounds(estimate)
    if ends is None:
        return []
    low, high = _y(axis, ends[0]), _y(axis, ends[1])
    caps = [line(x - 4, y, x + 4, y, f"whisker {kind}") for y in (low, high)]
    return [line(x, low, x, high, f"whisker {kind}"), *caps]


def _point(estimate: Estimate, axis: Scale, x: float, kind: str) -> list[Markup]:
    """A value with its interval, and the number above."""
    ends = bounds(estimate)
    above = _y(axis, ends[1] if ends else estimate.value) - 8
    y = _y(axis, estimate.value)
    return [
        *_whisker(estimate, axis, x, kind),
        mark(kind, x, y),
        text(x, above, percent(estimate.value), "value", "middle"),
    ]


def _step(axis: Scale, first: Estimate, second: Estimate) -> Markup:
    return line(-APART, _y(axis, first.value), APART, _y(axis, second.value), "step")


def _round_marks(shown: RoundView, axis: Scale) -> list[Markup]:
    kind = shown.state.lower()
    champion, candidate = _accuracy(shown.champion), _accuracy(shown.candidate)
    marks: list[Markup] = []
    if champion and candidate:
        marks.append(_step(axis, champion, candidate))
    if champion:
        marks += _point(champion, axis, -APART if candidate else 0, "champion")
    if candidate:
        marks += _point(candidate, axis, APART if champion else 0, kind)
    else:
        marks.append(mark(kind, APART if champion else 0, HEIGHT - BOTTOM - 12))
    return [*marks, *_slot_words(f"Round {shown.number}", capital(state_word(shown)), kind)]


def _final_marks(view: LoopView, axis: Scale) -> list[Markup]:
    seed, final = _accuracy(view.seed), _accuracy(view.final)
    marks: list[Markup] = []
    if seed and final:
        marks.append(_step(axis, seed, final))
    if seed:
        marks += _point(seed, axis, -APART if final else 0, "seed")
    if final:
        marks += _point(final, axis, APART if seed else 0, "final")
    return [*marks, *_slot_words("Report", "Seed, champion", "final")]


def _slot_words(first: str, second: str, kind: str) -> list[Markup]:
    base = HEIGHT - BOTTOM + 24
    return [text(0, base, first, "slot", "middle"), text(0, base + 16, second, f"said {kind}", "middle")]


def _ribbon(view: LoopView, slots: int) -> Markup:
    """Who was champion when: one bar per version under the rounds."""
    spans: list[tuple[str, float, float]] = []
    versions: list[str | None] = [r.seed_version for r in view.rounds]
    if slots > len(view.rounds):
        versions.append(view.champion.version if view.champion else None)
    for index, version in enumerate(versions):
        if version is None:
            continue
        if spans and spans[-1][0] == version and spans[-1][2] == index:
            spans[-1] = (version, spans[-1][1], index + 1)
        else:
            spans.append((version, index, index + 1))
    parts = []
    for turn, (version, start, end) in enumerate(spans):
        x, width = percent_x(start / slots), percent_x((end - start) / slots)
        parts.append(tag("rect", x=x, width=width, y=HEIGHT - 26, height=20, class_=f"ribbon turn{turn % 2}"))
        parts.append(
            text(percent_x((start + end) / 2 / slots), HEIGHT - 12, f"version {version}", "ribbon-word", "middle")
        )
    return Markup("").join(parts)


def _told(view: LoopView) -> str:
    """The chart in words."""
    said = []
    for r in view.rounds:
        models = [
            f"{w} {rate_words(e)}"
            for w, m in (("champion", r.champion), ("candidate", r.candidate))
            if (e := _accuracy(m))
        ]
        said.append(f"Round {r.number} {state_word(r)}: {'; '.join(models) or 'nothing measured'}.")
    said += [f"Report items, {m.label}: {rate_words(m.accuracy)}." for m in (view.seed, view.final) if m is not None]
    return " ".join(said)


LOSS_HEIGHT = 120


def loss_scale(rounds: Sequence[RoundView]) -> Scale | None:
    """One scale for all the loss curves, so that they can be compared."""
    values = [v for r in rounds for _, v in r.loss if math.isfinite(v)]
    return scale([*values, 0.0] if min(values, default=-1) >= 0 else values, most=4) if values else None


def loss_curve(shown: RoundView, axis: Scale) -> Markup:
    """The training loss of one round over its steps. Steps without a finite loss break the line."""
    known = [(s, v) for s, v in shown.loss if math.isfinite(v)]
    if not known:
        return Markup("")
    first, last = known[0][0], known[-1][0]
    wide = max(1, last - first)

    def y(value: float) -> float:
        return 8 + (1 - axis.share(value)) * (LOSS_HEIGHT - 16)

    points = " ".join(f"{300 * (s - first) / wide:.2f},{y(v):.2f}" for s, v in known)
    grid = [line(0, y(t), 300, y(t), "grid") for t in axis.ticks]
    curve = tag("polyline", points=points, class_="loss")
    told = f"Training loss of round {shown.number}: {loss_words(shown)}"
    plot = tag(
        "svg",
        *grid,
        curve,
        viewBox=f"0 0 300 {LOSS_HEIGHT}",
        preserveAspectRatio="none",
        height=LOSS_HEIGHT,
        width="100%",
    )
    ticks = [text(30, y(t) + 4, f"{t:g}", "tick", "end") for t in axis.ticks]
    left = tag("svg", *ticks, class_="axis", width=36, height=LOSS_HEIGHT)
    return tag("div", left, tag("div", plot, class_="scroll"), class_="chart", role="img", aria_label=told)


def loss_words(shown: RoundView) -> str:
    """Where the loss began and ended; empty without a finite loss."""
    known = [(s, v) for s, v in shown.loss if math.isfinite(v)]
    if not known:
        return ""
    (first, began), (last, ended) = known[0], known[-1]
    return f"From {began:.3g} at step {first:,} to {ended:.3g} at step {last:,}."
