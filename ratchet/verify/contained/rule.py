"""A rule that asks a contained worker: what stops the worker is an unscored verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ratchet.records import Group, Prompt, Verdict
from ratchet.verify.contained.worker import CRASH, MEMORY, TIMEOUT, Stopped
from ratchet.verify.protocol import Check, Finding, Pace, Rule

_STOPS = frozenset({TIMEOUT, MEMORY, CRASH})


@dataclass(frozen=True)
class Contained:
    """A verifier whose rule may raise Stopped. It has its own time limit for each verdict, so the stage sets none."""

    rule: Rule
    pace: ClassVar[Pace] = Pace(batch=64, limited=False)

    @classmethod
    def of(cls, rule: Rule) -> Contained:
        return cls(Rule(rule.name, rule.version, _caught(rule.check), rule.corrupt, rule.needs_reference, rule.gold))

    @property
    def name(self) -> str:
        return self.rule.name

    @property
    def version(self) -> str:
        return self.rule.version

    @property
    def check(self) -> Check:
        return self.rule.check

    @property
    def corrupt(self) -> Callable[[Prompt], str] | None:
        return self.rule.corrupt

    def right_answer(self, prompt: Prompt) -> str | None:
        return self.rule.right_answer(prompt)

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        return [[_with_error(verdict) for verdict in verdicts] for verdicts in self.rule.verify(groups)]

    def self_check(self, prompt: Prompt) -> str | None:
        return self.rule.self_check(prompt)


def _caught(check: Check) -> Check:
    def caught(prompt: Prompt, answer: str) -> Finding:
        try:
            return check(prompt, answer)
        except Stopped as stopped:
            return Finding(None, None, stopped.reason, str(stopped))

    return caught


def _with_error(verdict: Verdict) -> Verdict:
    if verdict.reason not in _STOPS or verdict.score is not None:
        return verdict
    return verdict.model_copy(update={"error": verdict.detail, "detail": None})
