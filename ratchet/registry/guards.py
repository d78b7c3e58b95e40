"""Guards: a candidate that is better on the whole must not have become worse in one respect.

Each is a one-sided non-inferiority test, so too few items fail it: absence of evidence is no evidence of absence. All
guards must pass, which needs no correction for their number (an intersection-union test, Berger 1982).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ratchet.evaluate.outcomes import ModelRole, Outcome
from ratchet.recipe import GuardsConfig
from ratchet.records import Record
from ratchet.registry.evidence import Item, clusters, values
from ratchet.statistics import Delta, paired_delta, paired_ratio_delta, pass_at_k_unbiased

Measured = Callable[[Outcome], bool]

_ROLES: tuple[ModelRole, ModelRole] = ("candidate", "champion")


class GuardResult(Record):
    """One guard. `delta` is candidate minus champion; `bound` is the end of its one-sided interval on the harmful side.

    Where a higher metric is better, `bound` is a lower bound and must lie above -margin; where it is worse (chair_i,
    yes_ratio), an upper bound that must lie below +margin. A metric that neither model has is not measured: then the
    numbers are None, n is 0 and the guard passes with a `note`. One that only one of them has fails.
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


def run_guards(items: Sequence[Item], config: GuardsConfig) -> tuple[GuardResult, ...]:
    """All guards that the policy has switched on, in a fixed order."""
    found: list[GuardResult] = []
    if config.skill is not None:
        for skill in sorted({item.skill for item in items}):
            found.append(_skill(skill, [i for i in items if i.skill == skill], config.skill, config.alpha))
    if config.chair_i is not None:
        found.append(_chair_i(items, config.chair_i, config.alpha))
    if config.pass_at_k is not None:
        found.append(_pass_at_k(items, config.pass_at_k, config.alpha))
    if config.yes_ratio is not None:
        found.append(_yes_ratio(items, config.yes_ratio, config.alpha))
    return tuple(found)


def _skill(skill: str, items: Sequence[Item], margin: float, alpha: float) -> GuardResult:
    name, metric = f"skill:{skill}", f"accuracy of {skill}"
    both, absent = _measured(items, name, metric, margin, lambda o: o.correct is not None)
    if absent is not None:
        return absent
    ours, theirs = (values(both, role, lambda o: o.correct) for role in _ROLES)
    return _higher(name, metric, ours, theirs, both, margin, alpha)


def _pass_at_k(items: Sequence[Item], margin: float, alpha: float) -> GuardResult:
    both, absent = _measured(items, "pass_at_k", "pass@k", margin, lambda o: o.samples > 0)
    if absent is not None:
        return absent
    # The smallest number of samples that any item has, so that all items are measured at the same k.
    k = min(min(i.candidate.samples, i.champion.samples) for i in both)

    def chance(outcome: Outcome) -> float:
        return pass_at_k_unbiased(outcome.samples, outcome.samples_correct, k)

    ours, theirs = (values(both, role, chance) for role in _ROLES)
    return _higher("pass_at_k", f"pass@{k}", ours, theirs, both, margin, alpha)


def _chair_i(items: Sequence[Item], margin: float, alpha: float) -> GuardResult:
    both, absent = _measured(items, "chair_i", "CHAIR_i", margin, lambda o: o.mentioned is not None)
    if absent is not None:
        return absent
    columns = {
        role: (values(both, role, lambda o: o.hallucinated), values(both, role, lambda o: o.mentioned))
        for role in _ROLES
    }
    found = paired_ratio_delta(columns["candidate"], columns["champion"], clusters(both), 1 - 2 * alpha)
    shares = {role: sum(top) / sum(below) if sum(below) else 0.0 for role, (top, below) in columns.items()}
    return GuardResult(
        name="chair_i", metric="CHAIR_i", candidate=shares["candidate"], champion=shares["champion"],
        delta=found.delta, bound=found.high, margin=margin, passed=found.high < margin, n=found.n,
    )  # fmt: skip


def _yes_ratio(items: Sequence[Item], margin: float, alpha: float) -> GuardResult:
    """Growth of |share of yes - true share| over the questions that both models answered with yes or no.

    |x| - |y| is at most the larger of x - r y and -x - r y, where r is the sign of y: both are differences of means, and
    the larger of their upper bounds is the bound. It is a little conservative, and needs no bootstrap at the kink.
    """
    metric = "|yes share - true share|"
    asked, absent = _measured(
        items, "yes_ratio", metric, margin, lambda o: o.truth_yes is not None and o.yes is not None
    )
    if absent is not None:
        return absent
    ours, theirs = (values(asked, role, lambda o: float(o.yes is True) - float(o.truth_yes is True)) for role in _ROLES)
    x, y, n = sum(ours), sum(theirs), len(asked)
    sign = 1.0 if y >= 0 else -1.0
    mirrored = [sign * v for v in theirs]
    bound = max(
        paired_delta([side * v for v in ours], mirrored, clusters(asked), 1 - 2 * alpha).high for side in (1.0, -1.0)
    )
    candidate, champion = abs(x) / n, abs(y) / n
    return GuardResult(
        name="yes_ratio", metric=metric, candidate=candidate, champion=champion,
        delta=candidate - champion, bound=bound, margin=margin, passed=bound < margin, n=n,
    )  # fmt: skip


def _measured(
    items: Sequence[Item], name: str, metric: str, margin: float, has: Measured
) -> tuple[list[Item], GuardResult | None]:
    """Items on which both models have the metric; or, where there are none, the result that says so."""
    both = [i for i in items if has(i.candidate) and has(i.champion)]
    if both:
        return both, None
    lacking = [f"the {role}" for role in _ROLES if not any(has(getattr(i, role)) for i in items)]
    if len(lacking) == 2:
        return both, GuardResult(
            name=name, metric=metric, margin=margin, passed=True, n=0, note="is not measured: no item has it"
        )
    which = lacking[0] if lacking else "one model or the other on each item"
    note = f"cannot be compared: it is missing for {which}"
    return both, GuardResult(name=name, metric=metric, margin=margin, passed=False, n=0, note=note)


def _higher(
    name: str, metric: str, ours: list[float], theirs: list[float], items: Sequence[Item], margin: float, alpha: float
) -> GuardResult:
    """A guard on a mean of which more is better."""
    found: Delta = paired_delta(ours, theirs, clusters(items), 1 - 2 * alpha)
    return GuardResult(
        name=name, metric=metric, candidate=sum(ours) / found.n, champion=sum(theirs) / found.n,
        delta=found.delta, bound=found.low, margin=margin, passed=found.low > -margin, n=found.n,
    )  # fmt: skip
