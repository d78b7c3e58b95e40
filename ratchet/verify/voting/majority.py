"""The majority of a group's own answers as its label (MM-UPT, arXiv 2505.22453).

It amplifies errors where the model is right less than about half of the time: the agreement grows while the precision
falls. So groups can be left out, unscored and with a reason, and `vitals.Promise` says without any label what
the votes promise at best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.recipe.verifiers.votes import MajorityConfig
from ratchet.records import Completion, Group, Part, Prompt, Verdict
from ratchet.verify.protocol import Pace, reaches
from ratchet.verify.vitals import AGREEMENT
from ratchet.verify.voting.votes import Vote, votes

ENTROPY = "entropy"
"""Part of the verdicts: how evenly the votes are spread (0..1). Another, AGREEMENT, is the majority's share of the voters."""
_SHOWN = 80


@dataclass(frozen=True)
class Majority:
    """Judges all completions of a group by what most of its honest ones say.

    Answers are read and compared by the rules that the prompt names, or by the one that the answer's shape asks for.
    """

    config: MajorityConfig
    version: str = "1"

    @property
    def pace(self) -> Pace:
        """Not limited: each comparison of answers has a limit of its own."""
        return Pace(limited=False)

    @property
    def name(self) -> str:
        return self.config.called

    def self_check(self, prompt: Prompt) -> str | None:
        """Nothing to find: votes need no reference."""
        del prompt
        return None

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        found = votes([(group.prompt, group.completions) for group in groups])
        return [self._group(group, vote) for group, vote in zip(groups, found, strict=True)]

    def _group(self, group: Group, vote: Vote | None) -> list[Verdict]:
        if vote is None:
            return [self._verdict("no_answer")] * len(group.completions)
        said = f"{(vote.prompt.reference or '')[:_SHOWN]} ({vote.sizes[0]} of {vote.voters})"
        parts = (Part(name=AGREEMENT, score=vote.share), Part(name=ENTROPY, score=min(1.0, vote.evenness)))
        left_out = self._left_out(group.prompt, vote)
        if left_out is not None:
            return [self._verdict(left_out, detail=said, parts=parts)] * len(group.completions)
        return [self._one(completion, place, vote, said, parts) for place, completion in enumerate(group.completions)]

    def _left_out(self, prompt: Prompt, vote: Vote) -> str | None:
        """Why the votes of a group are not believed; None where they are."""
        config = self.config
        if vote.voters < config.min_voters:
            return "too_few_voters"
        if _above(prompt.difficulty, config.max_difficulty) or _above(vote.evenness, config.max_entropy):
            return "too_uncertain"
        if vote.tied:
            return "tied"
        return None if reaches(vote.share, config.floor) else "below_floor"

    def _one(self, completion: Completion, place: int, vote: Vote, said: str, parts: tuple[Part, ...]) -> Verdict:
        its = vote.classes[place]
        score = float(its == 0) if self.config.score == "vote" else vote.shares[place]
        reason = "majority" if its == 0 else "minority" if its is not None else "unparsed"
        if its is None and completion.finish_reason == "length":
            reason = "cut"
        return self._verdict(reason, score=score, passed=its == 0, detail=said, parts=parts)

    def _verdict(self, reason: str, **fields: Any) -> Verdict:
        return Verdict(verifier=self.name, version=self.version, reason=reason, **fields)


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and not reaches(limit, value)
