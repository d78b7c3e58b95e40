"""A rule that asks a contained worker: what stops the worker is an unscored verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ratchet.records import Group, Prompt, Verdict
from ratchet.verify.contained.worker import CRASH, MEMORY, TIMEOUT, Stopped, Worker
from ratchet.verify.protocol import Check, Finding, Pace, Rule

GIVE_UP = 2
"""So many answers of one prompt that stopped the worker, and the prompt's others are unscored at once."""
_STOPS = frozenset({TIMEOUT, MEMORY, CRASH})


@dataclass(frozen=True)
class Contained:
    """A verifier whose rule may raise Stopped. It has its own time limit for each verdict, so the stage sets none."""

    rule: Rule
    worker: Worker
    pace: ClassVar[Pace] = Pace(batch=64, limited=False)

    @property
    def name(self) -> str:
        return self.rule.name

    @property
    def version(self) -> str:
        return self.rule.version

    @property
    def needs_reference(self) -> bool:
        return self.rule.needs_reference

    @property
    def corrupt(self) -> Callable[[Prompt], str] | None:
        return self.rule.corrupt

    def right_answer(self, prompt: Prompt) -> str | None:
        return self.rule.right_answer(prompt)

    def check(self, prompt: Prompt, answer: str) -> Finding:
        """What the rule finds; unscored where the worker was stopped."""
        return _Patient(self.rule.check)(prompt, answer)

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        return [[_with_error(verdict) for verdict in self._group(group)] for group in groups]

    def self_check(self, prompt: Prompt) -> str | None:
        return replace(self.rule, check=_Patient(self.rule.check)).self_check(prompt)

    def _group(self, group: Group) -> list[Verdict]:
        (verdicts,) = replace(self.rule, check=_Patient(self.rule.check)).verify([group])
        return verdicts


class _Patient:
    """The check of one prompt's answers; it ends where too many of them stopped the worker."""

    def __init__(self, check: Check) -> None:
        self._check, self._stops = check, 0

    def __call__(self, prompt: Prompt, answer: str) -> Finding:
        if self._stops >= GIVE_UP:
            return Finding(
                None, None, TIMEOUT, f"given up after {GIVE_UP} answers of this prompt that stopped the worker"
            )
        try:
            return self._check(prompt, answer)
        except Stopped as stopped:
            self._stops += 1
            return Finding(None, None, stopped.reason, str(stopped))


def _with_error(verdict: Verdict) -> Verdict:
    if verdict.reason not in _STOPS or verdict.score is not None:
        return verdict
    return verdict.model_copy(update={"error": verdict.detail, "detail": None})
