"""A gate decision in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ratchet.recipe import PromoteConfig
from ratchet.registry.guards import GuardResult

if TYPE_CHECKING:
    from ratchet.registry.gate import GateDecision

_TESTS = {
    "mcnemar": "exact McNemar test",
    "sign-flip": "sign-flip test by cluster",
    "bootstrap": "bootstrap by cluster",
}


def explain(found: GateDecision, reasons: Sequence[str], policy: PromoteConfig) -> tuple[str, ...]:
    """What was measured, how sure it is, what the guards say, and what follows."""
    return (*_measured(found), *_refused(found, reasons, policy), *_guards(found.guards), _verdict(found, reasons))


def _measured(found: GateDecision) -> list[str]:
    if found.n_items == 0:
        return ["No item has a verdict for both models."]
    lines = [
        f"The candidate is right on {_percent(found.candidate.value)} of {found.n_items:,} items "
        f"({found.clusters:,} clusters), the champion on {_percent(found.champion.value)}: {_points(found.delta.delta)}, "
        f"95% interval {_signed(found.delta.low)} to {_signed(found.delta.high)}.",
        f"{found.wins:,} items only the candidate got right, {found.losses:,} only the champion. Were the candidate no better, "
        f"so large a lead would come up with p = {found.p_value:.2g} ({_TESTS[found.test]}).",
        f"This is look {found.look} at this holdout, so p may be at most {found.alpha_spent:.2g}: "
        f"alpha {found.alpha:g} times 6 / (pi^2 x {found.look}^2).",
    ]
    if found.unscored:
        lines.append(
            f"{found.unscored:,} further items have no verdict for one model or both, and were left out for both."
        )
    return lines


def _refused(found: GateDecision, reasons: Sequence[str], policy: PromoteConfig) -> list[str]:
    total = found.n_items + found.unscored
    lines = {
        "too-few-items": f"{found.n_items:,} items are too few: promote.min_items asks for {policy.min_items:,}. Evaluate on more.",
        "too-many-unscored": f"{found.unscored:,} of {total:,} items have no verdict, which could hide a loss; at most 5% may. "
        "Mend the verifier, then evaluate again.",
        "not-better": "That the candidate is better is not proved.",
        "below-min-gain": f"The gain is below promote.min_gain, {_percent(policy.min_gain)}.",
    }
    return [lines[reason] for reason in reasons if reason in lines]


def _guards(guards: Sequence[GuardResult]) -> list[str]:
    lines = [_guard_failed(g) for g in guards if not g.passed]
    skipped = [g.name for g in guards if g.passed and g.note]
    if skipped:
        lines.append(f"Not measured for either model, so not guarded: {', '.join(skipped)}.")
    held = sum(1 for g in guards if g.passed and not g.note)
    return [*lines, f"{held} of {len(guards)} guards hold."] if guards else ["All guards are switched off."]


def _guard_failed(guard: GuardResult) -> str:
    if guard.note or guard.bound is None or guard.delta is None or guard.candidate is None or guard.champion is None:
        return f"Guard {guard.name} fails: {guard.metric} {guard.note}."
    return (
        f"Guard {guard.name} fails: {guard.metric} is {_percent(guard.candidate)}, the champion's {_percent(guard.champion)} "
        f"({_points(guard.delta)}, at worst {_signed(guard.bound)}, on {guard.n:,} items); the margin is {_percent(guard.margin)}."
    )


def _verdict(found: GateDecision, reasons: Sequence[str]) -> str:
    return "Promote." if found.promote else f"Refuse: {', '.join(reasons)}."


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"


def _points(delta: float) -> str:
    return f"{_signed(delta)} points"
