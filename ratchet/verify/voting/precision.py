"""How right majority labels are, as far as the votes alone can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ratchet.records import Group
from ratchet.statistics import wilson
from ratchet.verify.vitals import AGREEMENT


class Estimate(NamedTuple):
    """A share with its 95% interval."""

    value: float
    low: float
    high: float


def estimated_precision(groups: Sequence[Group], verifier: str = "majority") -> Estimate | None:
    """The precision that the votes of the judged groups promise: the mean share of the winning answer.

    `groups` are verified ones; those that `verifier` left unscored do not count. None where it judged none.

    The assumption is that the model is calibrated as a sampler: an answer that it gives with probability p is right with
    probability p, on average over the judged groups. Then the winner's share estimates the chance that it is right
    (self-consistency as confidence: Wang et al. 2022). It is optimistic where errors are correlated, which votes cannot
    see: a model that is always wrong in the same way promises 1. It is a little optimistic too because a winner of few
    votes won by luck as well. The interval (Wilson, groups independent) is for the draw of groups alone and not for the
    assumption. So a low estimate is a reason not to train; a high one is none to trust: measure that on labels.
    """
    shares = [share for group in groups if (share := _agreement(group, verifier)) is not None]
    if not shares:
        return None
    whole = sum(shares)
    return Estimate(whole / len(shares), *wilson(min(whole, len(shares)), len(shares)))


def _agreement(group: Group, verifier: str) -> float | None:
    """The winner's share of the votes; None for a group that was not judged."""
    for completion in group.completions:
        for verdict in completion.verdicts:
            if verdict.verifier == verifier and verdict.score is not None:
                return next((part.score for part in verdict.parts if part.name == AGREEMENT), None)
    return None
