"""Does the answer agree with what the same model lists in the picture? A rule counts; no judge is asked.

Only questions of number and existence can be read off a list. `caption_consistency` asks a model in words about any question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ratchet.generate.engine import Answer, Request
from ratchet.generate.sampling import SamplingParams
from ratchet.importing.answers import default_verifier
from ratchet.recipe.verifiers.votes import OwnCaptionConfig
from ratchet.records import Group, Message, Prompt, Verdict
from ratchet.verify.judging import rights
from ratchet.verify.protocol import Pace
from ratchet.verify.rules import parse_objects
from ratchet.verify.text import normalise, singular
from ratchet.verify.tools import Tools
from ratchet.verify.voting.views import by_length

_SHOWN = 160


class Asked(NamedTuple):
    """What a question is about: the object's words, singular, and whether its number or its existence is asked."""

    words: frozenset[str]
    number: bool

    def answer(self, caption: str) -> str | None:
        """What the list says; None where it lists nothing."""
        listed = parse_objects(caption)
        if not listed:
            return None
        there = sum(n for item, n in listed.items() if self.words <= _words(item))
        return str(there) if self.number else "yes" if there else "no"


@dataclass(frozen=True)
class OwnCaption:
    """The verifier `own_caption`: 1 where the answer is what the model's own greedy list says, else 0."""

    config: OwnCaptionConfig
    tools: Tools
    version: str = "1"

    @property
    def name(self) -> str:
        return self.config.called

    @property
    def pace(self) -> Pace:
        """The model is waited for."""
        return Pace(batch=64, limited=False)

    def self_check(self, prompt: Prompt) -> str | None:
        """Nothing to find without the model: no reference is needed."""
        del prompt
        return None

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        asked = [self.asked(group.prompt) for group in groups]
        listed = [g for g, one in zip(groups, asked, strict=True) if one is not None]
        made = iter(self._captions(listed))
        captions = [None if one is None else next(made) for one in asked]
        said = [
            None if one is None or caption is None else one.answer(caption.text)
            for one, caption in zip(asked, captions, strict=True)
        ]
        labels = [
            Group(prompt=_labelled(g.prompt, text), completions=g.completions)
            for g, text in zip(groups, said, strict=True)
            if text is not None
        ]
        right = iter(rights(labels))
        return [
            self._unread(g, caption) if text is None or caption is None else self._read(next(right), caption, text)
            for g, caption, text in zip(groups, captions, said, strict=True)
        ]

    def asked(self, prompt: Prompt) -> Asked | None:
        """What the prompt asks of a list; None for other questions, and for those about several pictures."""
        if len(prompt.images) != 1:
            return None
        question = normalise(prompt.question.removesuffix("?")) + " ?"
        for pattern, number in self._patterns:
            if (found := pattern.fullmatch(question)) is not None and (words := _words(found["object"])):
                return Asked(words, number)
        return None

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], bool]]:
        given = ((self.config.count, True), (self.config.exist, False))
        return [(re.compile(pattern), number) for pattern, number in given if pattern is not None]

    def _captions(self, groups: Sequence[Group]) -> list[Answer]:
        """The model's own list for each group; prompts about the same picture get the same."""
        if not groups:
            return []
        engine = self.tools.engine(self.config.judge)
        turns = (Message(role="user", content=self.config.ask),)
        found: dict[int, Answer] = {}
        for length, places in by_length(groups, self.config.max_new_tokens).items():
            params = SamplingParams(strategy="own_caption", temperature=0.0, max_new_tokens=length)
            shown = {groups[p].prompt.images[0].sha256: groups[p].prompt.images for p in places}
            requests = [Request(f"{sha256}/own_caption", turns, images) for sha256, images in shown.items()]
            made = dict(zip(shown, (one for (one,) in engine.answer(requests, params)), strict=True))
            found |= {p: made[groups[p].prompt.images[0].sha256] for p in places}
        return [found[place] for place in range(len(groups))]

    def _unread(self, group: Group, caption: Answer | None) -> list[Verdict]:
        """Verdicts where there is nothing to compare with."""
        reason, error = ("not_comparable" if caption is None else "no_caption"), None
        if caption is not None and caption.error is not None:
            reason, error = caption.error.partition(":")[0], caption.error
        made = Verdict(verifier=self.name, version=self.version, reason=reason, error=error)
        return [made] * len(group.completions)

    def _read(self, right: Sequence[bool | None], caption: Answer, text: str) -> list[Verdict]:
        detail = f"{caption.text[:_SHOWN]} -> {text}"
        made = {
            agrees: Verdict(
                verifier=self.name,
                version=self.version,
                score=float(agrees),
                passed=agrees,
                reason="consistent" if agrees else "contradicts",
                detail=detail,
            )
            for agrees in (True, False)
        }
        return [made[one is True] for one in right]


def _labelled(prompt: Prompt, text: str) -> Prompt:
    """The prompt with what the list says as its reference: a number or yes or no, whatever the prompt itself names."""
    return prompt.model_copy(update={"reference": text, "verifiers": (default_verifier(text, False),)})


def _words(text: str) -> frozenset[str]:
    """The words of an object's name, without the ending of a plural."""
    return frozenset(singular(word) for word in re.findall(r"\w+", normalise(text)))
