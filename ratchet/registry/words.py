"""A gate decision in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ratchet.recipe import PromoteConfig
from ratchet.registry.guards import GuardResult
from ratchet.registry.spending import GEOMETRIC_RATIO, Standing, share, stake

if TYPE_CHECKING:
    from ratchet.registry.gate import GateDecision

_TESTS = {
    "mcnemar": "exact McNemar test",
    "sign-flip": "sign-flip test by cluster, which takes a picture lost to be as likely as one won",
    "bootstrap": "bootstrap by cluster, which only describes",
}
_CHOSEN = "betting by cluster, as items share a picture, have fractional scores, or a gain is to be proved"


def explain(
    found: GateDecision,
    reasons: Sequence[str],
    policy: PromoteConfig,
    standing: Standing,
    shown: Mapping[str, tuple[int, int]],
) -> tuple[str, ...]:
    """What was measured, how sure it is, what the look may err with, what the guards say, and what follows."""
    return (
        *_measured(found, policy),
        *_shown(policy, shown),
        *(_allowed(found, policy, standing) if found.n_items else ()),
        *_refused(found, reasons, policy),
        *_guards(found.guards),
        _verdict(found, reasons),
    )


def _measured(found: GateDecision, policy: PromoteConfig) -> list[str]:
    if found.n_items == 0:
        return ["No item has a verdict for both models."]
    right, on = ("is right on", "on ") if policy.primary.measure == "accuracy" else ("has a mean score of", "")
    lines = [
        f"The candidate {right} {_percent(found.candidate.value)} of {found.n_items:,} items{_of(policy)} "
        f"({found.clusters:,} clusters), the champion {on}{_percent(found.champion.value)}: {_points(found.delta.delta)}, "
        f"95% interval {_signed(found.delta.low)} to {_signed(found.delta.high)}.",
        _tested(found, policy),
        *_of_suite(policy),
    ]
    if found.unscored:
        lines.append(
            f"{found.unscored:,} further items have no verdict for one model or both. They are left out of these numbers; where "
            "one model only has none, the test counts the item as lost."
        )
    return lines


def _shown(policy: PromoteConfig, shown: Mapping[str, tuple[int, int]]) -> list[str]:
    """Of the suites that decide: how much of each the pool shows."""
    named = {*policy.guards.suites, policy.primary.suite}
    return [
        f"The pool shows {count:,} of the {items:,} items of {suite} ({_percent(count / items)}); they are left out."
        for suite, (count, items) in sorted(shown.items())
        if suite in named and count
    ]


def _of_suite(policy: PromoteConfig) -> list[str]:
    """What of a suite is tested, which need not be the figure that it is known by."""
    if policy.primary.suite is None:
        return []
    what = "the mean score an item" if policy.primary.measure == "score" else "the share of items with the full score"
    return [f"Tested of {policy.primary.suite} is {what}, which may differ from the figure that the suite puts first."]


def _of(policy: PromoteConfig) -> str:
    named = [f"of {n}" for n in (policy.primary.skill, policy.primary.suite) if n is not None]
    return f" {' '.join(named)}" if named else ""


def _tested(found: GateDecision, policy: PromoteConfig) -> str:
    proved = policy.min_gain_rule == "proved" and policy.min_gain > 0
    null = f"the true gain no more than {_percent(policy.min_gain)}" if proved else "the candidate no better"
    if policy.primary.measure == "accuracy":
        lead = f"{found.wins:,} items only the candidate got right, {found.losses:,} only the champion."
    else:
        lead = f"The candidate did better on {found.wins:,} items, the champion on {found.losses:,}."
    if found.e_value is not None:
        return (
            f"{lead} Were {null}, a bet against that would not grow on average; it grew by a factor of {found.e_value:.3g}, which "
            f"counts as p = {found.p_value:.2g} ({_CHOSEN if policy.test == 'auto' else 'betting by cluster'})."
        )
    return f"{lead} Were {null}, so large a lead would come up with p = {found.p_value:.2g} ({_TESTS[found.test]})."


def _allowed(found: GateDecision, policy: PromoteConfig, standing: Standing) -> list[str]:
    """What p may be at most, how that comes about, and under which assumption the whole of it holds."""
    again = "" if not standing.seen else f", divided by {standing.histories:,.4g}"
    lines = [
        f"This is look {standing.look} on the account of this loop and these items, so p may be at most {found.alpha_spent:.2g}: "
        f"alpha {found.alpha:g} times {_share(policy, standing)}{again}. {_account(found)}"
    ]
    if found.test == "bootstrap":
        lines.append(
            "The bootstrap is for description: the chance of ever promoting a model that is not better is not bounded "
            "(promote.test: auto bounds it)."
        )
    elif not standing.seen:
        symmetric = " wherever a picture lost is as likely as one won" if found.test == "sign-flip" else ""
        lines.append(
            "These items were not looked at before, so the chance of ever promoting a model that is not better stays below "
            f"{_percent(found.alpha)} whatever candidates were chosen by{symmetric}."
        )
    elif policy.holdout.reuse == "counted":
        lines.append(
            f"These items were looked at {_times(standing.seen)} before, and {_times(standing.seen_promoted)} it led to a promotion, so the level "
            "is divided by the histories that candidates may have followed. That holds as long as nothing but the gate's "
            "decisions on these items has steered data or training"
            f"{', and a picture lost is as likely as one won' if found.test == 'sign-flip' else ''}."
        )
    return lines


def _account(found: GateDecision) -> str:
    """What is left of the loop's error before and after the look."""
    left = max(0.0, found.wealth - (found.lost or 0.0))
    return f"Of the account's error {found.wealth:.3g} was left before it, and {left:.3g} is left after it."


def _share(policy: PromoteConfig, standing: Standing) -> str:
    """The stake as it was really taken: less than planned where less is left."""
    staked, planned = stake(policy, standing), share(policy.spending, standing.turn)
    if policy.spending.kind == "wealth" or staked >= planned:
        return _planned(policy, standing)
    return f"{staked:.3g}, which is all that is left of the error planned for looks ({_planned(policy, standing)} was planned)"


def _planned(policy: PromoteConfig, standing: Standing) -> str:
    plan, turn = policy.spending, standing.turn
    if plan.kind == "wealth":
        return f"1/{turn + 1} of the {_percent(standing.wealth)} of it that is left"
    if plan.kind == "geometric":
        ratio = plan.ratio or GEOMETRIC_RATIO
        return f"{1 - ratio:g} x {ratio:g}^{turn - 1}"
    if plan.kind == "equal":
        return f"1/{plan.rounds} for each of {plan.rounds} looks"
    return f"6 / (pi^2 x {turn}^2)"


def _refused(found: GateDecision, reasons: Sequence[str], policy: PromoteConfig) -> list[str]:
    total = found.n_items + found.unscored
    lines = {
        "too-few-items": f"{found.n_items:,} items are too few: promote.min_items asks for {policy.min_items:,}. Evaluate on more.",
        "too-many-unscored": f"{found.unscored:,} of {total:,} items have no verdict, which could hide a loss; at most 5% may. "
        "Mend the verifier, then evaluate again.",
        "items-seen-before": f"These items were looked at {_times(found.seen)} before, and promote.holdout.reuse is refused. "
        "Import new items, or let reuse be counted.",
        "error-spent": f"All that the loop may err with is spent: promote.spending {policy.spending.kind} leaves nothing for look "
        f"{found.look}. Plan more rounds with new items, under another name.",
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


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"


def _points(delta: float) -> str:
    return f"{_signed(delta)} points"
