"""Verifiers that know nothing, beside which the others are read: one passes everything, one throws a coin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.generate.sampling import derived_share
from ratchet.records import Group, Prompt, Verdict
from ratchet.verify.audit.result import COIN, CONSTANT


@dataclass(frozen=True)
class Constant:
    """Passes everything: its precision is the base rate, and its recall 1."""

    name: str = CONSTANT
    version: str = "1"

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        yes = Verdict(verifier=self.name, version=self.version, score=1.0, passed=True, reason="always")
        return [[yes] * len(group.completions) for group in groups]

    def self_check(self, prompt: Prompt) -> str | None:
        """Nothing to check: it does not look."""
        del prompt
        return None


@dataclass(frozen=True)
class Coin:
    """Passes a share `rate` of all answers, whatever they say: the same ones for the same `seed`."""

    rate: float
    seed: int
    name: str = COIN
    version: str = "1"

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        return [[self._verdict(group, index) for index in range(len(group.completions))] for group in groups]

    def self_check(self, prompt: Prompt) -> str | None:
        """Nothing to check: it does not look."""
        del prompt
        return None

    def _verdict(self, group: Group, index: int) -> Verdict:
        text = group.completions[index].text
        passed = derived_share(self.seed, group.prompt.id, index, text) < self.rate
        reason = "heads" if passed else "tails"
        return Verdict(verifier=self.name, version=self.version, score=float(passed), passed=passed, reason=reason)
