"""The gate: is the candidate better than the champion, or may it only look so?

`decide` is pure. The null hypothesis is that the true paired difference is <= 0. The error that a loop may make in all its
life, alpha, is spent over its looks at the holdout: look t is tested at alpha * 6 / (pi^2 t^2). These sum to alpha over
t = 1, 2, 3, ..., so by the union bound the chance of EVER promoting a model that is not better is at most alpha, however
many looks there are, whatever each one led to, and although later candidates depend on earlier decisions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from ratchet.artifacts.columns import RowSchema
from ratchet.evaluate.outcomes import ModelRole, Outcome
from ratchet.recipe import PromoteConfig
from ratchet.records import Record
from ratchet.registry import words
from ratchet.registry.evidence import Item, clusters, side_by_side, values
from ratchet.registry.guards import GuardResult, run_guards
from ratchet.statistics import (
    Delta,
    Floats,
    cluster_bootstrap,
    cluster_sums,
    mcnemar_exact,
    paired_delta,
    sign_flip,
    wilson,
)

# A larger share of items without a verdict could hide a loss: what is missing is rarely missing by chance.
MOST_UNSCORED = 0.05
BOOTSTRAP_DRAWS = (10_000, 1_000_000)

Test = Literal["mcnemar", "sign-flip", "bootstrap"]
Reason = Literal["better", "too-few-items", "too-many-unscored", "not-better", "below-min-gain", "guard-failed"]


class Estimate(Record):
    """A share with its 95% interval (Wilson's, items counted as independent)."""

    value: float
    low: float
    high: float
    n: int


class GateDecision(Record):
    """What the gate found, in numbers and in words. `wins` are items that only the candidate got right.

    `alpha_spent` is what this look may err with, and `p_value` must not be above it. `unscored` counts items without a
    verdict for at least one of the models: they are left out for both.
    """

    promote: bool
    reason: Reason
    sentences: tuple[str, ...]
    look: int
    alpha: float
    alpha_spent: float
    test: Test
    p_value: float
    n_items: int
    unscored: int
    clusters: int
    wins: int
    losses: int
    candidate: Estimate
    champion: Estimate
    delta: Delta
    guards: tuple[GuardResult, ...]


DECISIONS = RowSchema("decisions", 1, GateDecision)


def alpha_at(alpha: float, look: int) -> float:
    """The share of `alpha` that look number `look`, from 1, may spend."""
    if look < 1:
        raise ValueError(f"look {look}: looks are numbered from 1")
    return alpha * 6.0 / (math.pi**2 * look**2)


def decide(outcomes: Iterable[Outcome], policy: PromoteConfig, look: int) -> GateDecision:
    """Judge the candidate by the outcomes of both models on the same items.

    Bad evidence is a refusal with a reason. Raises RegistryError only where the rows are not of the same items.
    """
    everything = side_by_side(outcomes)
    items = [item for item in everything if item.scored]
    unscored = len(everything) - len(items)
    ours, theirs = (values(items, role, lambda o: o.correct) for role in ("candidate", "champion"))
    delta = paired_delta(ours, theirs, clusters(items))
    spent = alpha_at(policy.alpha, look)
    test, p_value = _test(cluster_sums(ours, theirs, clusters(items)), items, policy, spent)
    guards = run_guards(everything, policy.guards)
    reasons = _refusals(policy, delta, unscored, len(everything), p_value, spent, guards)
    found = GateDecision(
        promote=not reasons,
        reason=reasons[0] if reasons else "better",
        sentences=(),
        look=look,
        alpha=policy.alpha,
        alpha_spent=spent,
        test=test,
        p_value=p_value,
        n_items=delta.n,
        unscored=unscored,
        clusters=delta.clusters,
        wins=sum(a > b for a, b in zip(ours, theirs, strict=True)),
        losses=sum(a < b for a, b in zip(ours, theirs, strict=True)),
        candidate=_estimate(items, "candidate"),
        champion=_estimate(items, "champion"),
        delta=delta,
        guards=guards,
    )
    return found.model_copy(update={"sentences": words.explain(found, reasons, policy)})


def _test(sums: Floats, items: Sequence[Item], policy: PromoteConfig, spent: float) -> tuple[Test, float]:
    """The one-sided p of "the candidate is no better", by the policy's test."""
    if policy.test == "bootstrap":
        ours, theirs = (values(items, role, lambda o: o.correct) for role in ("candidate", "champion"))
        least, most = BOOTSTRAP_DRAWS
        draws = int(min(max(least, 20 / spent), most))
        return "bootstrap", cluster_bootstrap(ours, theirs, clusters(items), alpha=spent, draws=draws)[1]
    if len(sums) == len(items):
        return "mcnemar", mcnemar_exact(int((sums > 0).sum()), int((sums < 0).sum()))
    return "sign-flip", sign_flip(sums)


def _refusals(
    policy: PromoteConfig,
    delta: Delta,
    unscored: int,
    total: int,
    p_value: float,
    spent: float,
    guards: Sequence[GuardResult],
) -> list[Reason]:
    """All that speaks against a promotion, the most basic first."""
    found: list[tuple[Reason, bool]] = [
        ("too-few-items", delta.n < policy.min_items),
        ("too-many-unscored", unscored > MOST_UNSCORED * total),
        ("not-better", p_value > spent),
        ("below-min-gain", delta.delta < policy.min_gain),
        ("guard-failed", not all(g.passed for g in guards)),
    ]
    return [reason for reason, applies in found if applies]


def _estimate(items: Sequence[Item], role: ModelRole) -> Estimate:
    n, right = len(items), round(sum(values(items, role, lambda o: o.correct)))
    low, high = wilson(right, n)
    return Estimate(value=right / n if n else 0.0, low=low, high=high, n=n)
