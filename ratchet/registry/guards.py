"""Guards: a candidate that is better on the whole must not have become worse in one respect.

Each is a one-sided non-inferiority test, so too few items fail it: absence of evidence is no evidence of absence. All
guards must pass, which needs no correction for their number (an intersection-union test, Berger 1982).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ratchet.recipe import GuardsConfig
from ratchet.records import Record
from ratchet.registry.evidence import Columns, Evidence
from ratchet.statistics import Floats, paired_delta, paired_ratio_delta, pass_at_k_unbiased

Mask = NDArray[np.bool_]
# Where more of the sampled items lack a sample's score, what is missing could hide a loss.
MOST_SHORT = 0.05


class GuardResult(Record):
    """One guard. `delta` is candidate minus champion; `bound` is the end of its one-sided interval on the harmful side.

    Where a higher metric is better, `bound` is a lower bound and must lie above -margin; where it is worse (chair_i,
    yes_ratio), an upper bound that must lie below +margin. A metric that neither model has is not measured: then the
    numbers are None, n is 0 and the guard passes with a `note`. One that only one of them has fails, and so does a suite
    that the policy names and the evaluation lacks.
    """

    name: str
    metric: str
    candidate: float | None = None
    champion: float | None = None
    delta: float | None = None
    bound: float | None = None
    margin: float
    passed: bool
    n: int
    note: str | None = None


def run_guards(evidence: Evidence, config: GuardsConfig, primary: str | None = None) -> tuple[GuardResult, ...]:
    """All guards that the policy has switched on, in a fixed order; `primary` is the suite by which the gate decides, if one."""
    items, found = evidence.holdout, list[GuardResult]()
    if config.skill is not None:
        for skill in items.skills:
            of_skill = items.of_skill(skill)
            if len(of_skill):
                found.append(_skill(skill, of_skill, config.skill, config.alpha))
    if config.chair_i is not None:
        found.append(_chair_i(items, config.chair_i, config.alpha))
    if config.pass_at_k is not None:
        found.append(_pass_at_k(items, config.pass_at_k, config.alpha))
    if config.yes_ratio is not None:
        found.append(_yes_ratio(items, config.yes_ratio, config.alpha))
    return (*found, *_suites(evidence.suites, config), *_covers(evidence.suites, config, primary))


def _skill(skill: str, items: Columns, margin: float, alpha: float) -> GuardResult:
    name, metric = f"skill:{skill}", f"accuracy of {skill}"
    ours, theirs = items.candidate.correct, items.champion.correct
    both, absent = _measured(name, metric, margin, ~np.isnan(ours), ~np.isnan(theirs))
    return absent or _higher(name, metric, ours[both], theirs[both], items.clusters[both], margin, alpha)


def _suites(measured: Mapping[str, Columns], config: GuardsConfig) -> list[GuardResult]:
    found = []
    for suite, margin in sorted(config.suites.items()):
        name, metric = f"suite:{suite}", f"score of {suite}"
        if suite not in measured:
            note = "was not measured: name the suite under evaluate, or take it out of promote.guards.suites"
            found.append(GuardResult(name=name, metric=metric, margin=margin, passed=False, n=0, note=note))
            continue
        items = measured[suite]
        if not len(items):
            note = "has no item that the pool does not show, so nothing is known of it"
            found.append(GuardResult(name=name, metric=metric, margin=margin, passed=False, n=0, note=note))
            continue
        ours, theirs = items.candidate.score, items.champion.score
        both, absent = _measured(name, metric, margin, ~np.isnan(ours), ~np.isnan(theirs))
        clusters = items.clusters[both]
        found.append(absent or _higher(name, metric, ours[both], theirs[both], clusters, margin, config.alpha))
    return found


def _covers(measured: Mapping[str, Columns], config: GuardsConfig, primary: str | None) -> list[GuardResult]:
    """What descriptions name of what is there. A suite's score is high as well where little is said and that is right."""
    watched = sorted({*config.suites, *([primary] if primary is not None else [])} & measured.keys())
    if config.cover is None:
        return []
    found = ((suite, measured[suite].take(measured[suite].truth > 0)) for suite in watched)
    return [_cover(f"cover:{suite}", items, config.cover, config.alpha) for suite, items in found if len(items)]


def _cover(name: str, items: Columns, margin: float, alpha: float) -> GuardResult:
    has = [~np.isnan(one.covered) for one in (items.candidate, items.champion)]
    both, absent = _measured(name, "cover", margin, *has)
    if absent is not None:
        return absent
    some = items.take(both)
    ours, theirs = ((one.covered, some.truth) for one in (some.candidate, some.champion))
    found = paired_ratio_delta(ours, theirs, some.clusters, 1 - 2 * alpha)
    shares = [float(top.sum() / below.sum()) for top, below in (ours, theirs)]
    return GuardResult(
        name=name, metric="share of what is there that is named", candidate=shares[0], champion=shares[1],
        delta=found.delta, bound=found.low, margin=margin, passed=found.low > -margin, n=found.n,
    )  # fmt: skip


def _pass_at_k(items: Columns, margin: float, alpha: float) -> GuardResult:
    absent = _measured("pass_at_k", "pass@k", margin, items.candidate.samples > 0, items.champion.samples > 0)[1]
    if absent is not None:
        return absent
    # As many as were drawn. Items of which some samples have no score say nothing of k, and are left out.
    k = int(max(items.candidate.samples.max(), items.champion.samples.max()))
    drawn = (items.candidate.samples > 0) | (items.champion.samples > 0)
    full = (items.candidate.samples == k) & (items.champion.samples == k)
    short = int(np.count_nonzero(drawn & ~full))
    if short > MOST_SHORT * np.count_nonzero(drawn):
        note = f"cannot be compared: {short:,} of {np.count_nonzero(drawn):,} items have fewer than {k} scored samples"
        return GuardResult(name="pass_at_k", metric=f"pass@{k}", margin=margin, passed=False, n=0, note=note)
    some = items.take(full)
    ours, theirs = (_chances(one.samples, one.samples_correct, k) for one in (some.candidate, some.champion))
    return _higher("pass_at_k", f"pass@{k}", ours, theirs, some.clusters, margin, alpha)


def _chances(samples: Floats, right: Floats, k: int) -> Floats:
    known = {pair: pass_at_k_unbiased(*pair, k) for pair in {*zip(samples.astype(int), right.astype(int), strict=True)}}
    return np.array([known[pair] for pair in zip(samples.astype(int), right.astype(int), strict=True)])


def _chair_i(items: Columns, margin: float, alpha: float) -> GuardResult:
    has = [~np.isnan(one.mentioned) for one in (items.candidate, items.champion)]
    both, absent = _measured("chair_i", "CHAIR_i", margin, *has)
    if absent is not None:
        return absent
    some = items.take(both)
    ours, theirs = ((np.nan_to_num(one.hallucinated), one.mentioned) for one in (some.candidate, some.champion))
    found = paired_ratio_delta(ours, theirs, some.clusters, 1 - 2 * alpha)
    shares = [float(top.sum() / below.sum()) if below.sum() else 0.0 for top, below in (ours, theirs)]
    return GuardResult(
        name="chair_i", metric="CHAIR_i", candidate=shares[0], champion=shares[1],
        delta=found.delta, bound=found.high, margin=margin, passed=found.high < margin, n=found.n,
    )  # fmt: skip


def _yes_ratio(items: Columns, margin: float, alpha: float) -> GuardResult:
    """Growth of |share of yes - true share| over the questions that both models answered with yes or no.

    |x| - |y| is at most the larger of x - r y and -x - r y, where r is the sign of y: both are differences of means, and
    the larger of their upper bounds is the bound. It is a little conservative, and needs no bootstrap at the kink.
    """
    metric, asked = "|yes share - true share|", ~np.isnan(items.truth_yes)
    has = [asked & ~np.isnan(one.yes) for one in (items.candidate, items.champion)]
    both, absent = _measured("yes_ratio", metric, margin, *has)
    if absent is not None:
        return absent
    some = items.take(both)
    ours, theirs = (one.yes - some.truth_yes for one in (some.candidate, some.champion))
    x, y, n = float(ours.sum()), float(theirs.sum()), len(some)
    sign = 1.0 if y >= 0 else -1.0
    bound = max(paired_delta(side * ours, sign * theirs, some.clusters, 1 - 2 * alpha).high for side in (1.0, -1.0))
    candidate, champion = abs(x) / n, abs(y) / n
    return GuardResult(
        name="yes_ratio", metric=metric, candidate=candidate, champion=champion,
        delta=candidate - champion, bound=bound, margin=margin, passed=bound < margin, n=n,
    )  # fmt: skip


def _measured(name: str, metric: str, margin: float, ours: Mask, theirs: Mask) -> tuple[Mask, GuardResult | None]:
    """Items on which both models have the metric; or, where there are none, the result that says so."""
    both = ours & theirs
    if both.any():
        return both, None
    lacking = [f"the {role}" for role, has in (("candidate", ours), ("champion", theirs)) if not has.any()]
    if len(lacking) == 2:
        return both, GuardResult(
            name=name, metric=metric, margin=margin, passed=True, n=0, note="is not measured: no item has it"
        )
    which = lacking[0] if lacking else "one model or the other on each item"
    note = f"cannot be compared: it is missing for {which}"
    return both, GuardResult(name=name, metric=metric, margin=margin, passed=False, n=0, note=note)


def _higher(
    name: str, metric: str, ours: Floats, theirs: Floats, clusters: NDArray[np.int64], margin: float, alpha: float
) -> GuardResult:
    """A guard on a mean of which more is better."""
    found = paired_delta(ours, theirs, clusters, 1 - 2 * alpha)
    return GuardResult(
        name=name, metric=metric, candidate=float(ours.mean()), champion=float(theirs.mean()),
        delta=found.delta, bound=found.low, margin=margin, passed=found.low > -margin, n=found.n,
    )  # fmt: skip
