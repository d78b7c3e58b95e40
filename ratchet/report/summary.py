"""The loop as plain JSON values, for scripts: summary.json. A missing value is null, never NaN."""

from __future__ import annotations

from typing import Any

from ratchet.report.view import ControlView, Estimate, LoopView, ModelView, RoundView
from ratchet.report.words import finite, printable

CONTROLS = ("labels", "no_verifier", "gold")
_MODEL_RATES = (
    "chair_i",
    "chair_s",
    "cover",
    "pope_accuracy",
    "pope_precision",
    "pope_recall",
    "pope_f1",
    "yes_ratio",
    "pass_at_k",
    "clipped",
    "unparsed",
)


def summary(view: LoopView) -> dict[str, Any]:
    """All numbers of the loop, ready for json.dumps. Rates and deltas in 0..1, seconds of wall time."""
    return {
        "loop": view.loop,
        "recipe": view.recipe,
        "made": view.made.isoformat(),
        "seconds": finite(view.seconds),
        "versions": {"ratchet": view.ratchet_version, "code_revision": view.code_revision},
        "rounds": [_round(r) for r in view.rounds],
        "controls": _controls(view.controls),
        "champion": _champion(view),
        "seed": _model(view.seed),
        "final": _model(view.final),
        "notes": list(view.notes),
    }


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else finite(estimate.value)


def _ends(estimate: Estimate | None) -> list[float | None] | None:
    """Both ends of the interval; null where neither is known."""
    if estimate is None or (finite(estimate.low) is None and finite(estimate.high) is None):
        return None
    return [finite(estimate.low), finite(estimate.high)]


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"value": finite(estimate.value), "ci": _ends(estimate), "n": estimate.n}


def _model(model: ModelView | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        "label": printable(model.label),
        "accuracy": finite(model.accuracy.value),
        "accuracy_ci": _ends(model.accuracy),
        "n": model.accuracy.n,
        "per_skill": {skill: _estimate(e) for skill, e in model.per_skill.items()},
        **{name: finite(getattr(model, name)) for name in _MODEL_RATES},
        "k": model.k,
    }


def _per_skill(model: ModelView | None) -> dict[str, float | None]:
    return {} if model is None else {skill: finite(e.value) for skill, e in model.per_skill.items()}


def _measured(model: ModelView | None) -> dict[str, Any]:
    """What a round and a control say of the model that they measured."""
    return {
        "accuracy": _value(model.accuracy) if model else None,
        "accuracy_ci": _ends(model.accuracy) if model else None,
        "items": model.accuracy.n if model else None,
        "per_skill": _per_skill(model),
        "chair_i": finite(model.chair_i) if model else None,
        "pope_f1": finite(model.pope_f1) if model else None,
        "pass_at_k": finite(model.pass_at_k) if model else None,
    }


def _round(shown: RoundView) -> dict[str, Any]:
    return {
        "round": shown.number,
        "seed_version": shown.seed_version,
        "candidate_version": shown.candidate_version,
        "decision": {"PROMOTED": "promote", "REFUSED": "refuse"}.get(shown.state),
        "state": shown.state,
        "reason": shown.reason,
        "stopped": shown.stopped,
        "afterwards": list(shown.later),
        **_measured(shown.candidate),
        "delta": _value(shown.delta),
        "delta_ci": _ends(shown.delta),
        "skill_deltas": {skill: _estimate(e) for skill, e in shown.skill_deltas.items()},
        "p_value": finite(shown.p_value),
        "alpha_spent": finite(shown.alpha_spent),
        "look": shown.look,
        "guards": [_finite_values(g.model_dump()) for g in shown.guards],
        "champion": _model(shown.champion),
        "candidate": _model(shown.candidate),
        **{name: getattr(shown, name) for name in ("prompts", "completions", "passed", "kept", "visits")},
        "autonomy": shown.autonomy.model_dump(mode="json") if shown.autonomy else None,
        "collection": shown.collection.model_dump(mode="json", exclude={"specimens"}) if shown.collection else None,
        "verification": shown.verification.model_dump(mode="json") if shown.verification else None,
        "audit": shown.audit.model_dump(mode="json") if shown.audit else None,
        "people": shown.people.model_dump(mode="json") if shown.people else None,
        "alarms": shown.alarms.model_dump(mode="json") if shown.alarms else None,
        "filtering": shown.filtering.model_dump(mode="json", exclude={"dropped"}) if shown.filtering else None,
        "drops": dict(shown.drops),
        "kept_by_skill": dict(shown.kept_by_skill),
        "seconds": finite(shown.seconds),
        "stage_seconds": {s.name: finite(sum(s.seconds.values())) for s in shown.stages},
        "opened": shown.opened.isoformat(),
    }


def _finite_values(row: dict[str, Any]) -> dict[str, Any]:
    return {key: finite(value) if isinstance(value, float) else value for key, value in row.items()}


def _controls(controls: tuple[ControlView, ...]) -> dict[str, Any]:
    """By name; the three usual arms are always there, null where they did not run."""
    found: dict[str, Any] = dict.fromkeys(CONTROLS)
    return found | {c.name: _control(c) for c in controls}


def _control(control: ControlView) -> dict[str, Any]:
    return {
        "title": control.title,
        **_measured(control.measured),
        "delta": _value(control.delta),
        "delta_ci": _ends(control.delta),
        "decision": control.decision,
        "reason": control.reason,
        f"champion_minus_{control.name}": _value(control.champion_minus),
        f"champion_minus_{control.name}_ci": _ends(control.champion_minus),
        "visits": control.visits,
        "seconds": finite(control.seconds),
    }


def _champion(view: LoopView) -> dict[str, Any] | None:
    champion = view.champion
    if champion is None:
        return None
    return {
        "version": champion.version,
        "round": champion.round,
        "move": champion.move,
        "by": champion.by or None,
        "delta_to_seed": _value(champion.delta_to_seed),
        "delta_to_seed_ci": _ends(champion.delta_to_seed),
        "items": champion.delta_to_seed.n if champion.delta_to_seed else None,
        "skill_deltas": {skill: _estimate(e) for skill, e in champion.skill_deltas.items()},
    }
