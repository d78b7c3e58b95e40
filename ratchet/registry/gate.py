"""The gate: is the candidate better than the champion, or may it only look so?

`decide` is pure: outcomes, policy and what the ledger of looks says before this one. The null hypothesis is that the true
paired difference of the primary is <= 0 (or <= min_gain, where that must be proved). A loop may err with probability alpha in
all its life: `ratchet.registry.spending` says what each look may spend of it and why these add up.

What the tests assume beside that. Items of different clusters are independent draws from what is asked in use. McNemar: no
more (one item a cluster). Betting: no more. Sign flips: a cluster's difference is as likely as its opposite where the models
are equally good; lopsided clusters break the bound. Bootstrap: clusters are many; it has no bound. `test: auto` takes
McNemar where it can and betting elsewhere, so that it assumes no more than that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ratchet.artifacts.columns import RowSchema
from ratchet.evaluate.outcomes import Outcome
from ratchet.recipe import PromoteConfig
from ratchet.records import Record
from ratchet.registry import spending, words
from ratchet.registry.betting import e_value
from ratchet.registry.evidence import Columns, Evidence, side_by_side
from ratchet.registry.guards import GuardResult, run_guards
from ratchet.registry.spending import Standing
from ratchet.resampling import cluster_bootstrap, sign_flip
from ratchet.statistics import (
    Delta,
    Floats,
    cluster_sums,
    mcnemar_exact,
    paired_delta,
    wilson,
)

# A larger share of items without a verdict could hide a loss: what is missing is rarely missing by chance.
MOST_UNSCORED = 0.05
BOOTSTRAP_DRAWS = (10_000, 1_000_000)
FLIP_DRAWS = (100_000, 1_000_000)

Test = Literal["mcnemar", "sign-flip", "bootstrap", "betting"]
Reason = Literal[
    "better",
    "too-few-items",
    "too-many-unscored",
    "items-seen-before",
    "error-spent",
    "not-better",
    "below-min-gain",
    "guard-failed",
]


class Estimate(Record):
    """A mean with its 95% interval (Wilson's, items counted as independent)."""

    value: float
    low: float
    high: float
    n: int


class GateDecision(Record):
    """What the gate found, in numbers and in words. `wins` are items on which the candidate did better.

    `alpha_spent` is what this look may err with, and `p_value` must not be above it. `unscored` counts items without a
    verdict for at least one of the models: they are left out of the numbers, and those that only one of the models lacks
    count in the test as lost. `seen` counts earlier looks at the same items; `lost` is the part of the loop's error that is
    gone after this look, `e_value` the evidence of a bet.
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
    seen: int = 0
    seen_promoted: int = 0
    wealth: float = 1.0
    lost: float | None = None
    e_value: float | None = None


DECISIONS = RowSchema("decisions", 2, GateDecision)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the test said."""

    test: Test
    p_value: float
    e_value: float | None = None


def decide(outcomes: Iterable[Outcome], policy: PromoteConfig, look: int | Standing) -> GateDecision:
    """Judge the candidate by the outcomes of both models on the same items.

    Bad evidence is a refusal with a reason. Raises RegistryError only where the rows are not of the same items, or lack the
    policy's primary. A bare number of a look means the first one at these items, with nothing promoted before.
    """
    return judge(side_by_side(outcomes), policy, look)


def judge(evidence: Evidence, policy: PromoteConfig, look: int | Standing) -> GateDecision:
    """`decide` for outcomes that are side by side already."""
    standing = Standing(look) if isinstance(look, int) else look
    items = evidence.primary(policy)
    ours, theirs = _primary(items, policy)
    scored = ~(np.isnan(ours) | np.isnan(theirs))
    delta = paired_delta(ours[scored], theirs[scored], items.clusters[scored])
    allowed = spending.level(policy, standing)
    tested = _test(*_worst(ours, theirs, items), policy, allowed)
    guards = run_guards(evidence, policy.guards, policy.primary.suite)
    unscored = len(items) - delta.n
    differences = (ours - theirs)[scored]
    reasons = _refusals(policy, standing, delta, unscored, tested.p_value, allowed, guards)
    e_value = tested.e_value
    found = GateDecision(
        promote=not reasons,
        reason=reasons[0] if reasons else "better",
        sentences=(),
        look=standing.look,
        alpha=policy.alpha,
        alpha_spent=allowed,
        test=tested.test,
        p_value=tested.p_value,
        n_items=delta.n,
        unscored=unscored,
        clusters=delta.clusters,
        wins=int(np.count_nonzero(differences > 0)),
        losses=int(np.count_nonzero(differences < 0)),
        candidate=_estimate(ours[scored]),
        champion=_estimate(theirs[scored]),
        delta=delta,
        guards=guards,
        seen=standing.seen,
        seen_promoted=standing.seen_promoted,
        wealth=standing.wealth,
        lost=spending.lost(policy, standing, not reasons, e_value),
        e_value=e_value,
    )
    return found.model_copy(update={"sentences": words.explain(found, reasons, policy, standing, evidence.shown)})


def _primary(items: Columns, policy: PromoteConfig) -> tuple[Floats, Floats]:
    """Candidate's and champion's values of what must grow; NaN where there is none."""
    if policy.primary.measure == "score":
        return items.candidate.score, items.champion.score
    return items.candidate.correct, items.champion.correct


def _worst(ours: Floats, theirs: Floats, items: Columns) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Values and clusters for the test. A verdict that is missing for one model only counts against the candidate.

    So a candidate that makes a verifier fail where it would have been wrong gains nothing by it. An item that neither
    model has a verdict on says nothing of the difference.
    """
    missing = np.isnan(ours) | np.isnan(theirs)
    known = ~(np.isnan(ours) & np.isnan(theirs))
    worst, best = np.where(missing, 0.0, ours)[known], np.where(missing, 1.0, theirs)[known]
    return worst, best, items.clusters[known]


def _test(ours: Floats, theirs: Floats, clusters: NDArray[np.int64], policy: PromoteConfig, allowed: float) -> _Found:
    """The one-sided p of "the candidate is no better", by the policy's test."""
    margin = policy.min_gain if policy.min_gain_rule == "proved" else 0.0
    if policy.test == "bootstrap":
        draws = _draws(BOOTSTRAP_DRAWS, allowed)
        p_value = cluster_bootstrap(ours - margin, theirs, clusters, alpha=allowed or policy.alpha, draws=draws)[1]
        return _Found(test="bootstrap", p_value=p_value)
    sums = cluster_sums(ours, theirs, clusters)
    sizes = cluster_sums(np.ones(len(ours)), np.zeros(len(ours)), clusters)
    plain = margin == 0 and len(sums) == len(ours) and bool(np.all(sums == np.round(sums)))
    if policy.test == "betting" or (policy.test == "auto" and not plain):
        evidence = e_value(sums, sizes, margin)
        return _Found(test="betting", p_value=min(1.0, 1.0 / evidence) if evidence > 0 else 1.0, e_value=evidence)
    if plain:
        return _Found(test="mcnemar", p_value=mcnemar_exact(int((sums > 0).sum()), int((sums < 0).sum())))
    return _Found(test="sign-flip", p_value=sign_flip(sums - margin * sizes, draws=_draws(FLIP_DRAWS, allowed)))


def _draws(limits: tuple[int, int], allowed: float) -> int:
    """So many that a p below what is allowed can be told from it."""
    least, most = limits
    return int(min(max(least, 20 / allowed), most)) if allowed > 0 else least


def _refusals(
    policy: PromoteConfig,
    standing: Standing,
    delta: Delta,
    unscored: int,
    p_value: float,
    allowed: float,
    guards: tuple[GuardResult, ...],
) -> list[Reason]:
    """All that speaks against a promotion, the most basic first."""
    found: list[tuple[Reason, bool]] = [
        ("too-few-items", delta.n < policy.min_items),
        ("too-many-unscored", unscored > MOST_UNSCORED * (delta.n + unscored)),
        ("items-seen-before", policy.holdout.reuse == "refused" and standing.seen > 0),
        ("error-spent", allowed <= 0),
        ("not-better", p_value > allowed),
        ("below-min-gain", delta.delta < policy.min_gain),
        ("guard-failed", not all(g.passed for g in guards)),
    ]
    return [reason for reason, applies in found if applies]


def _estimate(values: Floats) -> Estimate:
    n, total = len(values), float(values.sum())
    low, high = wilson(min(total, n), n)
    return Estimate(value=total / n if n else 0.0, low=low, high=high, n=n)
