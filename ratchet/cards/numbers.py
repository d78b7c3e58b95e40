"""A card's numbers: each with its interval, or with the words that say why it has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ratchet.cards.facts import Facts
from ratchet.cards.markdown import plain, table
from ratchet.report.final import CHAMPION, SEED
from ratchet.report.words import percent, signed

_INTERVALS = (
    "Intervals are 95%; items that share a picture, and all that a caption mentions, count as one. Every comparison is of both models on "
    "the same items."
)
OLD = "no interval: an older ratchet kept none"
SAME = "no interval: it is of the questions, not of a model"
NOT_COMPARED = "not compared"
YES_NO = (
    ("accuracy", "Yes/no accuracy"),
    ("precision", "Yes/no precision"),
    ("recall", "Yes/no recall"),
    ("f1", "Yes/no F1"),
    ("yes_ratio", "Share of yes"),
    ("true_yes_ratio", "True share of yes"),
)
CHAIR = (("chair_i", "CHAIR_i (lower is better)"), ("chair_s", "CHAIR_s (lower is better)"), ("cover", "Cover"))
RATES = (("unparsed", "Answers that could not be read"), ("clipped", "Answers cut at the token limit"))
_COUNTS = ("captions", "prompts", "items")


def numbers(facts: Facts) -> Iterator[str]:
    """The section: the round's holdout, the report split where it was read, the controls."""
    measured = facts.measured
    if not measured.get("candidate"):
        return
    yield from ("## Numbers", "", _INTERVALS, "")
    yield f"On the holdout of round {facts.round}, which the gate read, with the seed of that round beside it:"
    yield ""
    yield from _table("Before", measured, "champion", "candidate", measured)
    yield from _published(facts.published)
    yield from _controls(facts)


def head_metrics(measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The figures of the card's head, with their intervals in their names: the hub's format has no other place for them."""
    chair, sampled = measured.get("chair") or {}, measured.get("sampled") or {}
    ends = {
        "accuracy": _ends(measured),
        "chair_i": _kept(measured, "chair", "chair_i"),
        "pass@k": _ends(sampled),
    }
    values = {"accuracy": measured.get("accuracy"), "chair_i": chair.get("chair_i"), "pass@k": sampled.get("pass_at_k")}
    return [
        {"type": name, "name": _named(name, ends[name]), "value": round(value, 4)}
        for name, value in values.items()
        if value is not None
    ]


def _named(name: str, ends: Sequence[float] | None) -> str:
    return f"{name}, {OLD}" if ends is None else f"{name}, 95% interval {ends[0]:.4f} to {ends[1]:.4f}"


def _published(results: Mapping[str, Any]) -> Iterator[str]:
    models = results.get("models", {})
    if SEED not in models or CHAMPION not in models:
        return
    yield "On the report split, which no decision has read, beside the loop's first seed:"
    yield ""
    yield from _table("First seed", models, SEED, CHAMPION, results.get("to_seed", {}).get(CHAMPION, {}))


def _table(before: str, models: Mapping[str, Any], left: str, right: str, deltas: Mapping[str, Any]) -> Iterator[str]:
    head = ("", before, "This version", "Difference, points")
    yield from table(head, list(_rows(models[left], models[right], deltas)))
    yield ""


def _rows(theirs: Mapping[str, Any], ours: Mapping[str, Any], deltas: Mapping[str, Any]) -> Iterator[list[str]]:
    more = deltas.get("deltas") or {}
    yield ["Accuracy", _rate(theirs), _rate(ours), _delta(deltas.get("delta"))]
    for skill, one in ours.get("skills", {}).items():
        before, change = theirs.get("skills", {}).get(skill), (more.get("skills") or {}).get(skill)
        yield [f"Accuracy, {plain(skill)}", _rate(before), _rate(one), _delta(change)]
    sampled = ours.get("sampled") or {}
    if sampled.get("pass_at_k") is not None:
        shown = [_sampled(one.get("sampled") or {}) for one in (theirs, ours)]
        yield [f"pass@{sampled.get('k')}", *shown, _delta(more.get("pass_at_k"))]
    for part, names in (("chair", CHAIR), ("yes_no", YES_NO), ("rates", RATES)):
        for name, words in names:
            if _part(ours, part).get(name) is not None:
                yield [words, _figure(theirs, part, name), _figure(ours, part, name), _change(more, part, name)]


def _part(model: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Where a model's metrics have a figure: the rates stand beside accuracy."""
    return model if part == "rates" else model.get(part) or {}


def _rate(one: Mapping[str, Any] | None) -> str:
    if not one or one.get("accuracy") is None:
        return percent(None)
    return f"{percent(one['accuracy'])} ({_range(_ends(one))}, n {one['scored']:,})"


def _sampled(of: Mapping[str, Any]) -> str:
    if of.get("pass_at_k") is None:
        return percent(None)
    return f"{percent(of['pass_at_k'])} ({_range(_ends(of))}, n {of['prompts']:,})"


def _figure(model: Mapping[str, Any], part: str, name: str) -> str:
    """A share with its interval and the number of captions or items that it is of."""
    of = _part(model, part)
    if of.get(name) is None:
        return percent(None)
    said = SAME if name == "true_yes_ratio" else _range(_kept(model, part, name))
    n = next((of[one] for one in _COUNTS if one in of), None)
    return f"{percent(of[name])} ({said}{f', n {n:,}' if n is not None else ''})"


def _change(deltas: Mapping[str, Any], part: str, name: str) -> str:
    if name == "true_yes_ratio":
        return "the same questions"
    return _delta(((deltas.get("figures") or {}).get(part) or {}).get(name) or deltas.get(name))


def _kept(model: Mapping[str, Any], part: str, name: str) -> Sequence[float] | None:
    found: Sequence[float] | None = ((model.get("intervals") or {}).get(part) or {}).get(name)
    return found


def _ends(one: Mapping[str, Any]) -> Sequence[float] | None:
    return (one["low"], one["high"]) if "low" in one and "high" in one else None


def _range(ends: Sequence[float] | None) -> str:
    return OLD if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}"


def _delta(one: Mapping[str, Any] | None) -> str:
    return NOT_COMPARED if not one else f"{signed(one['delta'])} ({signed(one['low'])} to {signed(one['high'])})"


def _controls(facts: Facts) -> Iterator[str]:
    if not facts.controls:
        return
    yield from ("Controls, trained beside the rounds and judged by the same gate, never promoted:", "")
    apart = facts.published.get("champion_minus", {})
    rows = [
        [
            plain(name),
            "promote" if one["decision"]["promote"] else "refuse",
            _delta(one["decision"].get("delta")),
            _delta(apart.get(name, {}).get("delta")),
        ]
        for name, one in sorted(facts.controls.items())
    ]
    yield from table(("Control", "The gate would", "Its difference", "This version minus it"), rows)
    yield ""
