"""Two answers side by side, in both orders: what wins in one and loses in the other has not won."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ratchet.generate.engine import Answer
from ratchet.recipe.verifiers.judged import PairwiseConfig
from ratchet.records import Group, ImageRef, Prompt, Verdict
from ratchet.verify.judged.asked import PACE, Opinion, failed, part, question_of, unfit, verdict_of, version_of
from ratchet.verify.judges import Judge, Question
from ratchet.verify.judges.prompts import asking, template_of
from ratchet.verify.judges.reading import read_choice, said
from ratchet.verify.protocol import NO_REFERENCE, Pace
from ratchet.verify.tools import Tools

INCONSISTENT, ALONE = "inconsistent", "alone"
REFERENCE = -1
FIRST, SECOND, SAME = 0, 1, 2


class _Duel(NamedTuple):
    """How a comparison went for the first of the two: 1, 0.5, 0, or None and why."""

    share: float | None
    tokens: int
    failure: Opinion | None = None


_Pair = tuple[int, str, str]
"""The group's number and two texts, the smaller first: each two are compared once, whoever asks."""


def build(config: PairwiseConfig, tools: Tools) -> Pairwise:
    template = template_of(config.template, "pairwise")
    return Pairwise(config.called, version_of(config, tools, template=template), template, config, tools)


@dataclass(frozen=True)
class Pairwise:
    """Compares the answers of a group with each other, or with the reference."""

    name: str
    version: str
    template: str
    config: PairwiseConfig
    tools: Tools

    @property
    def pace(self) -> Pace:
        return PACE

    def self_check(self, prompt: Prompt) -> str | None:
        """Only a missing reference is seen without asking the judge."""
        if self.config.against == "reference" and prompt.reference is None:
            return f"verifier {self.name} compares with the reference, and the prompt has none; add one."
        return None

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        wanted = [self._opponents(group) for group in groups]
        pairs = dict.fromkeys(
            _pair(number, text, other)
            for number, one in enumerate(wanted)
            for text, others in one.items()
            for _, other in others
        )
        duels = self._duels(list(pairs), groups) if pairs else {}
        return [self._group(number, group, wanted[number], duels) for number, group in enumerate(groups)]

    def _opponents(self, group: Group) -> dict[str, list[tuple[int, str]]]:
        """For each text that can be compared those that it meets, with their index: the next ones around the group."""
        texts: dict[str, int] = {}
        for completion in group.completions:
            if completion.finish_reason != "error" and unfit(completion.text) is None:
                texts.setdefault(completion.text, completion.index)
        if self.config.against == "reference":
            reference = group.prompt.reference
            return {text: [(REFERENCE, reference)] for text in texts if reference and text != reference}
        ring = list(texts)
        most = min(self.config.opponents, len(ring) - 1)
        return {
            text: [(texts[other], other) for other in (ring[(i + step) % len(ring)] for step in range(1, most + 1))]
            for i, text in enumerate(ring)
            if most > 0
        }

    def _duels(self, pairs: Sequence[_Pair], groups: Sequence[Group]) -> dict[_Pair, _Duel]:
        judge = self.tools.judge(self.config.judge)
        questions = [
            question
            for number, one, other in pairs
            for question in (
                self._question(groups[number].prompt, one, other),
                self._question(groups[number].prompt, other, one),
            )
        ]
        replies = judge.ask(questions)
        return {pair: self._duel(judge, replies[2 * i], replies[2 * i + 1]) for i, pair in enumerate(pairs)}

    def _question(self, prompt: Prompt, first: str, second: str) -> Question:
        values = {"question": question_of(prompt), "first": first, "second": second}
        images: tuple[ImageRef, ...] = prompt.images
        return Question.of(asking(self.template, values), images)

    def _duel(self, judge: Judge, there: Sequence[Answer], back: Sequence[Answer]) -> _Duel:
        tokens = judge.tokens(there) + judge.tokens(back)
        picked = []
        for answers in (there, back):
            reply = said(answers[0])
            choice = None if reply is None else read_choice(reply, self.config.words)
            if choice is None:
                return _Duel(None, tokens, failed(answers[0], tokens))
            picked.append(choice)
        if (picked[0], picked[1]) not in ((FIRST, SECOND), (SECOND, FIRST), (SAME, SAME)):
            words = f"{self.config.words[picked[0]]}, and {self.config.words[picked[1]]} the other way round"
            return _Duel(None, tokens, Opinion(None, None, INCONSISTENT, words, tokens=tokens))
        return _Duel({FIRST: 1.0, SECOND: 0.0, SAME: 0.5}[picked[0]], tokens)

    def _group(
        self, number: int, group: Group, wanted: dict[str, list[tuple[int, str]]], duels: dict[_Pair, _Duel]
    ) -> list[Verdict]:
        known: dict[str, Verdict] = {}
        for completion in group.completions:
            if completion.text not in known:
                found = self._opinion(number, group.prompt, completion.text, wanted.get(completion.text), duels)
                known[completion.text] = verdict_of(self.name, self.version, found)
        return [known[completion.text] for completion in group.completions]

    def _opinion(
        self,
        number: int,
        prompt: Prompt,
        text: str,
        others: Sequence[tuple[int, str]] | None,
        duels: dict[_Pair, _Duel],
    ) -> Opinion:
        if not others:
            return unfit(text) or self._unopposed(prompt)
        met = [(index, _from(text, other, duels[_pair(number, text, other)])) for index, other in others]
        tokens = sum(duel.tokens for _, duel in met)
        versus = met[0][0] if len(met) == 1 and met[0][0] != REFERENCE else None
        decided = [(index, duel.share) for index, duel in met if duel.share is not None]
        if not decided:
            why = next(duel.failure for _, duel in met if duel.failure is not None)
            return why._replace(tokens=tokens, versus=versus)
        share = sum(one for _, one in decided) / len(decided)
        passed = None if share == 0.5 else share > 0.5
        reason = "tie" if passed is None else "win" if passed else "loss"
        open_ = len(met) - len(decided)
        detail = f"{open_} of {len(met)} comparisons undecided" if open_ else None
        parts = tuple(part("reference" if i == REFERENCE else f"versus {i}", one) for i, one in decided)
        return Opinion(share, passed, reason, detail, parts, tokens, versus)

    def _unopposed(self, prompt: Prompt) -> Opinion:
        if self.config.against == "others":
            return Opinion(None, None, ALONE, "no other answer of the group differs")
        if not prompt.reference:
            return Opinion(None, None, NO_REFERENCE)
        return Opinion(0.5, None, "tie", "it is the reference")


def _pair(number: int, text: str, other: str) -> _Pair:
    return number, *sorted((text, other))  # type: ignore[return-value]


def _from(text: str, other: str, duel: _Duel) -> _Duel:
    """The comparison as seen by `text`."""
    if duel.share is None or text < other:
        return duel
    return duel._replace(share=1 - duel.share)
