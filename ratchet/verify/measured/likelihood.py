"""How likely answers are to a model: with their picture, without, and with a corrupted one.

Image-conditioning as in judge-free preference data (arXiv 2411.17760) and contrastive decoding: an answer that is as likely
without the picture was not read off it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ratchet.artifacts import ImageBank
from ratchet.errors import DigestMismatch, NotFound, PromptSetError
from ratchet.generate.engine import Engine, Given, Request, TextLikelihood
from ratchet.generate.negatives.pictures import corrupt, encode
from ratchet.generate.sampling import derived_seed
from ratchet.recipe.verifiers.measured import ConditioningConfig, LikelihoodConfig
from ratchet.records import Group, ImageRef, Part
from ratchet.verify.measured.scoring import NOT_MADE, Measure, Measured, logistic
from ratchet.verify.scratch import showing
from ratchet.verify.tools import Tools

Texts = list[list[TextLikelihood | None]]
"""For each group and completion how likely its text is; None for completions that were not made."""


class _Key(NamedTuple):
    text: str
    ended: bool


def likelihood(config: LikelihoodConfig, tools: Tools) -> Measured:
    """The verifier `likelihood`: log p(answer | prompt and picture), per token or in sum."""

    def measure(groups: Sequence[Group]) -> list[list[Measure]]:
        found = likelihoods(tools.engine(config.judge), groups)
        return [[_plain(one, config.per == "token") for one in row] for row in found]

    mapped = None if config.score == "rank" else _probability
    return Measured(config.called, "1", measure, mapped, config.threshold)


def conditioning(config: ConditioningConfig, tools: Tools) -> Measured:
    """The verifier `conditioning`: log p(answer | picture) - log p(answer | no picture, or a corrupted one)."""

    def measure(groups: Sequence[Group]) -> list[list[Measure]]:
        engine = tools.engine(config.judge)
        with_it = likelihoods(engine, groups)
        if config.against == "none":
            without = likelihoods(engine, groups, lambda request: replace(request, images=()))
        else:
            without = _Corrupted(config.against, config.params, tools).likelihoods(engine, groups)
        rows = zip(with_it, without, strict=True)
        return [[_difference(a, b, config.per == "token") for a, b in zip(*row, strict=True)] for row in rows]

    mapped = None if config.score == "rank" else logistic
    return Measured(config.called, "1", measure, mapped, config.threshold)


def likelihoods(
    engine: Engine, groups: Sequence[Group], shown: Callable[[Request], Request] = lambda request: request
) -> Texts:
    """How likely the completions' texts are as answers to their prompts, whatever they were really sampled from.

    `shown` changes what the model is shown. Equal texts of a group are measured once.
    """
    asked: list[Given] = []
    places: list[dict[_Key, int]] = []
    for group in groups:
        request, place = shown(Request.of(group.prompt)), {}
        for completion in group.completions:
            given = Given.of(request, completion)
            key = _Key(given.text, given.ended)
            if completion.finish_reason != "error" and key not in place:
                place[key] = len(asked)
                asked.append(given)
        places.append(place)
    found = engine.likelihoods(asked)
    return [
        [
            None if c.finish_reason == "error" else found[place[_Key(given.text, given.ended)]]
            for c in group.completions
            for given in (Given.of(Request.of(group.prompt), c),)
        ]
        for group, place in zip(groups, places, strict=True)
    ]


@dataclass(frozen=True)
class _Corrupted:
    """The same with corrupted pictures, which live in a bank of their own only while they are looked at."""

    kind: str
    params: Mapping[str, float]
    tools: Tools

    def likelihoods(self, engine: Engine, groups: Sequence[Group]) -> Texts:
        scratch = ImageBank(self.tools.store, [])
        bad = {group.prompt.id: self._pictures(group, scratch) for group in groups}
        with showing(engine, scratch):
            return likelihoods(engine, groups, lambda request: replace(request, images=bad[request.id]))

    def _pictures(self, group: Group, scratch: ImageBank) -> tuple[ImageRef, ...]:
        """Seeded by prompt and place alone, so that a group is measured alike wherever it comes."""
        made = []
        for place, ref in enumerate(group.prompt.images):
            seed = derived_seed(self.tools.draw, "conditioning", self.kind, group.prompt.id, place)
            try:
                picture = corrupt(self.tools.bank.image(ref.sha256), self.kind, self.params, seed)
            except (NotFound, DigestMismatch, PromptSetError):
                made.append(ref)  # the engine says what is wrong with it, as for the picture itself
                continue
            made.append(scratch.add(encode(picture)))
        return tuple(made)


def per_token(found: TextLikelihood) -> float:
    """Mean log-probability of a token, in nats."""
    assert found.logprob_sum is not None
    return found.logprob_sum / found.n_tokens


def unmeasured(found: TextLikelihood | None) -> Measure | None:
    """Why an answer has no number; None where it has one."""
    if found is None:
        return NOT_MADE
    if found.logprob_sum is None:
        error = found.error or "unknown: the engine did not say why"
        return Measure(None, reason=error.partition(":")[0], error=error)
    return None


def _plain(found: TextLikelihood | None, by_token: bool) -> Measure:
    missing = unmeasured(found)
    if missing is not None or found is None or found.logprob_sum is None:
        return missing or NOT_MADE
    value = per_token(found) if by_token else found.logprob_sum
    return Measure(value, (Part(name="logprob", score=found.logprob_sum),), found.n_tokens)


def _difference(seen: TextLikelihood | None, unseen: TextLikelihood | None, by_token: bool) -> Measure:
    missing = unmeasured(seen) or unmeasured(unseen)
    if missing is not None or seen is None or unseen is None or seen.logprob_sum is None or unseen.logprob_sum is None:
        return missing or NOT_MADE
    value = seen.logprob_sum - unseen.logprob_sum
    parts = (Part(name="with", score=seen.logprob_sum), Part(name="against", score=unseen.logprob_sum))
    return Measure(value / seen.n_tokens if by_token else value, parts, seen.n_tokens + unseen.n_tokens)


def _probability(value: float) -> float:
    return min(1.0, math.exp(value))
