"""Whether a description says what the question needs: it does where the answer from it alone is right (Vision-SR1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.recipe.verifiers.votes import SufficientConfig
from ratchet.records import Completion, Group, Prompt, Verdict
from ratchet.verify.judging import rights
from ratchet.verify.protocol import Pace

DESCRIPTION = "description"


@dataclass(frozen=True)
class Sufficient:
    """Gives an answer the judgement of its blind twin: what the model said of the same description without the picture.

    Twins are found by the note that strategy described leaves, their texts are judged by what the prompt names. The twin
    itself, and an answer without one, is unscored.
    """

    config: SufficientConfig
    version: str = "1"

    @property
    def pace(self) -> Pace:
        """Not limited: the rules that judge have limits of their own."""
        return Pace(limited=False)

    @property
    def name(self) -> str:
        return self.config.called

    def self_check(self, prompt: Prompt) -> str | None:
        """Nothing to find: the prompt's own verifiers are checked by themselves."""
        del prompt
        return None

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        blind = [
            g.model_copy(update={"completions": tuple(c for c in g.completions if c.blind), "pairs": ()})
            for g in groups
        ]
        return [self._group(*both) for both in zip(groups, blind, rights(blind), strict=True)]

    def _group(self, group: Group, blind: Group, right: Sequence[bool | None]) -> list[Verdict]:
        by_description = {_number(c): ok for c, ok in zip(blind.completions, right, strict=True)}
        return [self._one(completion, by_description) for completion in group.completions]

    def _one(self, completion: Completion, by_description: dict[float | None, bool | None]) -> Verdict:
        passed = None if completion.blind else by_description.get(_number(completion))
        if passed is None:
            return Verdict(verifier=self.name, version=self.version, reason="no_twin")
        reason = "sufficient" if passed else "insufficient"
        return Verdict(verifier=self.name, version=self.version, score=float(passed), passed=passed, reason=reason)


def _number(completion: Completion) -> float | None:
    """Which of the group's descriptions the completion was made from."""
    return next((note.score for note in completion.notes if note.name == DESCRIPTION), None)
