"""From a number for each answer to verdicts: by a function that keeps the order, or by rank within the group."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ratchet.records import Completion, Group, Part, Prompt, Verdict
from ratchet.verify.protocol import Pace, reaches

DIGITS = 6
"""Of scores and parts: what lies behind depends on which answers were measured together."""


class Measure(NamedTuple):
    """One answer's number, what it was made of, and the tokens that were read. `value` None: `reason` and `error` say why."""

    value: float | None
    parts: tuple[Part, ...] = ()
    tokens: int = 0
    reason: str = ""
    error: str | None = None


Measuring = Callable[[Sequence[Group]], list[list[Measure]]]


@dataclass(frozen=True)
class Measured:
    """A verifier that measures. `mapped` takes a value to 0..1 and keeps the order; None: values are ranked in the group."""

    name: str
    version: str
    measure: Measuring
    mapped: Callable[[float], float] | None
    threshold: float
    groups: int = 32

    @property
    def pace(self) -> Pace:
        """Models are waited for: no limit from outside, and not too many answers at once."""
        return Pace(batch=self.groups, limited=False)

    def self_check(self, prompt: Prompt) -> str | None:
        """Nothing to find without the model: no reference is needed."""
        del prompt
        return None

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        return [self._group(measures) for measures in self.measure(groups)]

    def _group(self, measures: Sequence[Measure]) -> list[Verdict]:
        values = [one.value for one in measures]
        scores = ranks(values) if self.mapped is None else [None if v is None else self.mapped(v) for v in values]
        return [self._verdict(one, score) for one, score in zip(measures, scores, strict=True)]

    def _verdict(self, one: Measure, score: float | None) -> Verdict:
        parts = tuple(Part(name=part.name, score=round(part.score, DIGITS)) for part in one.parts)
        made = Verdict(verifier=self.name, version=self.version, reason="alone", parts=parts, tokens=one.tokens)
        if one.value is None:
            return made.model_copy(update={"reason": one.reason, "error": one.error})
        if score is None:
            return made
        passed = reaches(score, self.threshold)
        reason = "above" if passed else "below"
        return made.model_copy(update={"score": round(score, DIGITS), "passed": passed, "reason": reason})


def ranks(values: Sequence[float | None]) -> list[float | None]:
    """Each value's rank among the different ones, 0..1 from the smallest to the largest. None: there is no other.

    Equal are values that agree to DIGITS digits, and they count once: how often an answer was given is a vote, which this
    is not. Counted as often as they come, the middle of a group would be its majority, whatever is measured.
    """
    known = [None if value is None else round(value, DIGITS) for value in values]
    order = sorted({value for value in known if value is not None})
    if len(order) < 2:
        return [None] * len(values)
    place = {value: number / (len(order) - 1) for number, value in enumerate(order)}
    return [None if value is None else place[value] for value in known]


def logistic(value: float) -> float:
    """1 / (1 + exp(-value)), without overflow."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else 1 - 1 / (1 + math.exp(value))


def answered(group: Group) -> list[Completion]:
    """The completions that the engine did make; one that failed says nothing, and whoever applies a verifier marks it."""
    return [completion for completion in group.completions if completion.finish_reason != "error"]


NOT_MADE = Measure(None, reason="not_generated", error="the engine failed to make this completion")
