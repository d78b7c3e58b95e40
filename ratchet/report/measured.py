"""What evaluation left in its results, as views: a model's metrics, paired differences, and the suites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.report.view import CostView, Estimate, FigureView, ModelView, SuiteView

_FIELDS = {("yes_no", name): f"pope_{name}" for name in ("accuracy", "precision", "recall", "f1")}
"""What the view calls figures of yes/no questions."""
NOT_FIGURES = {"items", "unscored"}
"""Counts among a suite's figures, which the report has elsewhere."""


def model_view(label: str, found: Mapping[str, Any]) -> ModelView:
    """A model's metrics, as `evaluate.metrics.of_model` stores them."""
    yes_no, chair, sampled = (found.get(part) or {} for part in ("yes_no", "chair", "sampled"))
    return ModelView(
        label=label,
        accuracy=accuracy(found),
        per_skill={skill: accuracy(part) for skill, part in found["skills"].items()},
        chair_i=chair.get("chair_i"),
        chair_s=chair.get("chair_s"),
        cover=chair.get("cover"),
        pope_accuracy=yes_no.get("accuracy"),
        pope_precision=yes_no.get("precision"),
        pope_recall=yes_no.get("recall"),
        pope_f1=yes_no.get("f1"),
        yes_ratio=yes_no.get("yes_ratio"),
        true_yes_ratio=yes_no.get("true_yes_ratio"),
        mean_correct=sampled.get("mean_correct"),
        distinct=sampled.get("distinct"),
        pass_at_k=sampled.get("pass_at_k"),
        k=sampled.get("k"),
        clipped=found.get("clipped"),
        unparsed=found.get("unparsed"),
    )


def accuracy(found: Mapping[str, Any]) -> Estimate:
    return Estimate(value=found["accuracy"] or 0.0, low=found["low"], high=found["high"], n=found["scored"])


def delta_view(found: Mapping[str, Any] | None) -> Estimate | None:
    if not found:
        return None
    return Estimate(value=found["delta"], low=found["low"], high=found["high"], n=found["n"])


def skill_deltas(found: Mapping[str, Any]) -> dict[str, Estimate]:
    estimates = {skill: delta_view(one) for skill, one in found.get("deltas", {}).get("skills", {}).items()}
    return {skill: one for skill, one in estimates.items() if one is not None}


def changes(found: Mapping[str, Any]) -> dict[str, Estimate]:
    """Paired differences beside accuracy's, by the field of ModelView that they are of."""
    deltas = found.get("deltas", {})
    estimates = {name: delta_view(deltas.get(name)) for name in ("pass_at_k", "chair_i")}
    for part, figures in (deltas.get("figures") or {}).items():
        estimates |= {_FIELDS.get((part, name), name): delta_view(one) for name, one in figures.items()}
    return {name: one for name, one in estimates.items() if one is not None}


def costs(stage: str, results: Mapping[str, Any]) -> list[CostView]:
    """What a stage asked of judges: its own `spent`, by judge. Evaluate has those of its suites in `judges`, beside its answers."""
    spent = results.get("spent") or {}
    spent = {
        name: one for name, one in spent.get("judges", spent).items() if isinstance(one, Mapping) and "calls" in one
    }
    known = {name: {n: v for n, v in one.items() if n in CostView.model_fields} for name, one in spent.items()}
    return [CostView(stage=stage, judge=name, **one) for name, one in known.items()]


def suite_views(found: Mapping[str, Any]) -> tuple[SuiteView, ...]:
    """Every suite that a round's candidate and champion were measured on."""
    return tuple(_suite(name, one) for name, one in found.get("suites", {}).items())


def _suite(name: str, found: Mapping[str, Any]) -> SuiteView:
    theirs, ours = found.get("champion") or {}, found.get("candidate") or {}
    return SuiteView(
        name=name,
        title=found.get("title") or name,
        measures=found.get("measures") or "",
        digest=found["digest"],
        primary=found["primary"],
        higher=found.get("higher", True),
        top=found.get("top", 1.0),
        items=found["items"],
        judge=_judge(found.get("judge")),
        champion=_primary(theirs, found),
        candidate=_primary(ours, found),
        delta=delta_view(found.get("delta")),
        figures=tuple(_figures(theirs, ours, {*NOT_FIGURES, found["primary"]})),
        parts=tuple(_parts(theirs, ours, found["primary"])),
        unparsed={
            role: side.get("rates", side).get("unparsed") for role, side in (("champion", theirs), ("candidate", ours))
        },
        notes=tuple(found.get("notes", ())),
    )


def _primary(side: Mapping[str, Any], found: Mapping[str, Any]) -> Estimate | None:
    value = side.get(found["primary"])
    if not _is_number(value):
        return None
    low, high = side.get("interval") or (None, None)
    return Estimate(value=value, low=low, high=high, n=found["items"])


def _figures(champion: Mapping[str, Any], candidate: Mapping[str, Any], but: set[str]) -> list[FigureView]:
    names = [n for n in dict.fromkeys([*champion, *candidate]) if n not in but]
    pairs = [(n, champion.get(n), candidate.get(n)) for n in names]
    return [
        FigureView(name=n, champion=_number(a), candidate=_number(b))
        for n, a, b in pairs
        if _is_number(a) or _is_number(b)
    ]


def _parts(champion: Mapping[str, Any], candidate: Mapping[str, Any], primary: str) -> list[FigureView]:
    """The primary figure by category, or by whatever parts the suite has."""
    found = []
    for name in dict.fromkeys([*_by_part(champion), *_by_part(candidate)]):
        a, b = (_number(_by_part(side).get(name, {}).get(primary)) for side in (champion, candidate))
        found += [FigureView(name=name, champion=a, candidate=b)] if a is not None or b is not None else []
    return found


def _by_part(side: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    parts = side.get("categories")
    return {n: one for n, one in parts.items() if isinstance(one, Mapping)} if isinstance(parts, Mapping) else {}


def _judge(found: Any) -> str:
    """Who marked the answers, on one line; empty for a rule."""
    if isinstance(found, Mapping):
        return ", ".join(f"{name} {value}" for name, value in found.items() if not isinstance(value, Mapping | list))
    return str(found) if found else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float | None:
    return float(value) if _is_number(value) else None
