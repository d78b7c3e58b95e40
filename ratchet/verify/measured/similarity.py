"""A small scorer beside the model's own likelihood (CSR, arXiv 2405.14622): how well picture and text go together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.recipe.strategies.templates import filled
from ratchet.recipe.verifiers.measured import SmallScorerConfig
from ratchet.records import Group, Part
from ratchet.verify.measured.image_text import ImageText
from ratchet.verify.measured.likelihood import likelihoods, per_token, unmeasured
from ratchet.verify.measured.scoring import NOT_MADE, Measure, Measured, ranks
from ratchet.verify.tools import Tools


@dataclass
class _Scorer:
    """Measures groups; the image-text model is opened when it is first needed."""

    config: SmallScorerConfig
    tools: Tools
    model: ImageText | None = None

    def __call__(self, groups: Sequence[Group]) -> list[list[Measure]]:
        config = self.config
        alike = self._similarities(groups)
        likely = self._likelihoods(groups) if config.weight < 1 else alike
        return [_combined(a, b, config) for a, b in zip(alike, likely, strict=True)]

    def _likelihoods(self, groups: Sequence[Group]) -> list[list[Measure]]:
        found = likelihoods(self.tools.engine(self.config.judge), groups)
        return [
            [
                unmeasured(one) or (NOT_MADE if one is None else Measure(math.exp(per_token(one)), (), one.n_tokens))
                for one in row
            ]
            for row in found
        ]

    def _similarities(self, groups: Sequence[Group]) -> list[list[Measure]]:
        """Cosines of each completion's text with its prompt's pictures; of several pictures their mean."""
        if self.model is None:
            self.model = ImageText(self.tools.folder(self.config.model), self.config.batch_size)
        texts = [
            [filled(self.config.text, {"question": g.prompt.question, "answer": c.text}) for c in g.completions]
            for g in groups
        ]
        of_text = self.model.texts([text for row in texts for text in row])
        of_picture = self.model.pictures(self.tools.bank, [ref for g in groups for ref in g.prompt.images])
        return [
            [
                NOT_MADE
                if c.finish_reason == "error"
                else _similarity(of_text[text], [of_picture[ref.sha256] for ref in group.prompt.images])
                for c, text in zip(group.completions, row, strict=True)
            ]
            for group, row in zip(groups, texts, strict=True)
        ]


def small_scorer(config: SmallScorerConfig, tools: Tools) -> Measured:
    """The verifier `small_scorer`. Its combination is in 0..1 already, by rank too: ranking it again would blur the weights."""
    return Measured(
        config.called, "1", _Scorer(config, tools), lambda value: min(1.0, max(0.0, value)), config.threshold
    )


def _similarity(text: Any, pictures: Sequence[Any]) -> Measure:
    """`text` and `pictures` are unit vectors, or what is wrong with them."""
    wrong = next((one for one in (text, *pictures) if isinstance(one, str)), None)
    if wrong is not None:
        return Measure(None, reason=wrong.partition(":")[0], error=wrong)
    cosine = sum(float(text @ picture) for picture in pictures) / len(pictures)
    return Measure(cosine, (Part(name="similarity", score=cosine),))


def _combined(alike: Sequence[Measure], likely: Sequence[Measure], config: SmallScorerConfig) -> list[Measure]:
    """The weighted number of each answer of a group."""
    if config.score == "rank":
        first, second = (ranks([one.value for one in row]) for row in (alike, likely))
    else:
        # CLIPScore (Hessel et al. 2021) takes cosines below 0 as 0.
        first = [None if one.value is None else max(0.0, one.value) for one in alike]
        second = [one.value for one in likely]
    rows = zip(alike, likely, first, second, strict=True)
    return [_one(a, b, x, y, config.weight) for a, b, x, y in rows]


def _one(alike: Measure, likely: Measure, first: float | None, second: float | None, weight: float) -> Measure:
    for one in (alike, likely):
        if one.value is None:
            return one
    if first is None or second is None:
        return Measure(None, alike.parts, reason="alone")
    parts = alike.parts if weight == 1 else (*alike.parts, Part(name="probability", score=likely.value or 0.0))
    return Measure(weight * first + (1 - weight) * second, parts, likely.tokens)
