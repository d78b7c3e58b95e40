"""Votes over augmented views: does the model give the same answer when the picture changes a little?"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance

from ratchet.artifacts import ImageBank
from ratchet.errors import DigestMismatch, NotFound, PromptSetError
from ratchet.generate.engine import Answer, Request
from ratchet.generate.negatives.pictures import encode
from ratchet.generate.sampling import SamplingParams, derived_seed
from ratchet.recipe.verifiers.votes import ViewsConfig
from ratchet.records import Group, ImageRef, Part, Prompt, Verdict
from ratchet.verify import self_check
from ratchet.verify.extract import reading
from ratchet.verify.judging import rights
from ratchet.verify.protocol import Pace, reaches
from ratchet.verify.scratch import showing
from ratchet.verify.tools import Tools
from ratchet.verify.voting.votes import labelled

_SHOWN = 40


class View(NamedTuple):
    """One changed look at a prompt's pictures: its kind, its number among those of its kind, and how strong it is."""

    kind: str
    number: int
    strength: float

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.number}"


def changed(image: Image.Image, view: View, seed: int) -> Image.Image:
    """A slightly changed copy (RGB, the same size) of an RGB picture; it depends on picture, view and seed alone.

    noise: Gaussian, the same for no two pixels. brightness, contrast: by a factor drawn in 1 +- strength. jpeg: encoded with
    this quality, the next of its kind with 10 less.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    if view.kind == "noise":
        pixels = np.asarray(image, dtype=np.float64)
        return Image.fromarray(
            (pixels + rng.normal(0, view.strength, pixels.shape)).round().clip(0, 255).astype(np.uint8)
        )
    if view.kind == "jpeg":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=max(1, round(view.strength) - 10 * view.number))
        return Image.open(buffer).convert("RGB")
    factor = 1 + view.strength * float(rng.uniform(-1, 1))
    enhance = ImageEnhance.Brightness if view.kind == "brightness" else ImageEnhance.Contrast
    return enhance(image).enhance(factor)


@dataclass(frozen=True)
class Views:
    """The verifier `views`. The score of an answer is the share of the views whose greedy answer agrees with it.

    Answers are compared by the rules of the prompt, or of the answer's shape, as votes are. A view that could not be answered
    does not count.
    """

    config: ViewsConfig
    tools: Tools
    version: str = "1"

    @property
    def name(self) -> str:
        return self.config.called

    @property
    def pace(self) -> Pace:
        """The model is waited for."""
        return Pace(batch=32, limited=False)

    def self_check(self, prompt: Prompt) -> str | None:
        """Nothing to find without the model: no reference is needed."""
        del prompt
        return None

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        answers = self._answers(groups)
        agreeing = _agreeing(groups, answers)
        return [self._group(g, a, agree) for g, a, agree in zip(groups, answers, agreeing, strict=True)]

    @property
    def views(self) -> list[View]:
        """All views, in a fixed order."""
        config = self.config
        return [View(kind, n, config.views[kind]) for kind in sorted(config.views) for n in range(config.each)]

    def _answers(self, groups: Sequence[Group]) -> list[list[Answer]]:
        """The greedy answer to each view of each group's prompt."""
        scratch = ImageBank(self.tools.store, [])
        asked = [self._request(g.prompt, view, scratch) for g in groups for view in self.views]
        engine = self.tools.engine(self.config.judge)
        made: dict[int, Answer] = {i: one for i, one in enumerate(asked) if isinstance(one, Answer)}
        n = len(self.views)
        with showing(engine, scratch):
            # Groups that were answered at the same length are asked together.
            for length, places in by_length(groups, self.config.max_new_tokens).items():
                open_ = [p * n + v for p in places for v in range(n) if p * n + v not in made]
                requests = [one for i in open_ if isinstance(one := asked[i], Request)]
                params = SamplingParams(strategy="views", temperature=0.0, max_new_tokens=length)
                made |= {i: one for i, (one,) in zip(open_, engine.answer(requests, params), strict=True)}
        return [[made[p * n + v] for v in range(n)] for p in range(len(groups))]

    def _request(self, prompt: Prompt, view: View, scratch: ImageBank) -> Request | Answer:
        images: list[ImageRef] = []
        for place, ref in enumerate(prompt.images):
            seed = derived_seed(self.tools.draw, "views", view.name, prompt.id, place)
            try:
                picture = self.tools.bank.image(ref.sha256)
            except (NotFound, DigestMismatch, PromptSetError) as error:
                return Answer.failed("picture", str(error))
            images.append(scratch.add(encode(changed(picture, view, seed))))
        return replace(Request.of(prompt), id=f"{prompt.id}/{view.name}", images=tuple(images))

    def _group(self, group: Group, answers: Sequence[Answer], agreeing: Mapping[int, Sequence[bool]]) -> list[Verdict]:
        counted = [place for place, answer in enumerate(answers) if answer.finish_reason != "error"]
        if not counted:
            error = answers[0].error or "unknown: the engine did not say why"
            return [self._verdict(error.partition(":")[0], error=error)] * len(group.completions)
        detail = " | ".join(answers[place].text[:_SHOWN] for place in counted)
        names = [view.name for view in self.views]
        verdicts = []
        for number in range(len(group.completions)):
            votes = [number < len(agreeing.get(p, ())) and agreeing[p][number] for p in counted]
            parts = tuple(Part(name=names[p], score=float(vote)) for p, vote in zip(counted, votes, strict=True))
            share = sum(votes) / len(votes)
            passed = reaches(share, self.config.threshold)
            reason = "stable" if passed else "unstable"
            verdicts.append(self._verdict(reason, score=share, passed=passed, detail=detail, parts=parts))
        return verdicts

    def _verdict(self, reason: str, **fields: object) -> Verdict:
        return Verdict.model_validate({"verifier": self.name, "version": self.version, "reason": reason, **fields})


def by_length(groups: Sequence[Group], most: int | None) -> dict[int, list[int]]:
    """Places of groups by the longest answer that they may get, in tokens."""
    found: dict[int, list[int]] = {}
    for place, group in enumerate(groups):
        longest = max((c.sampling.max_new_tokens for c in group.completions), default=1)
        found.setdefault(most or longest, []).append(place)
    return dict(sorted(found.items()))


def _agreeing(groups: Sequence[Group], answers: Sequence[Sequence[Answer]]) -> list[dict[int, list[bool]]]:
    """For each group and view that says something readable, which completions agree with it."""
    labels: list[Group] = []
    places: list[tuple[int, int]] = []
    for number, (group, said) in enumerate(zip(groups, answers, strict=True)):
        for place, answer in enumerate(said):
            text = reading(answer.text) if answer.finish_reason == "stop" else None
            prompt = labelled(group.prompt, text) if text is not None else None
            if prompt is not None and self_check(prompt) is None:
                labels.append(Group(prompt=prompt, completions=group.completions))
                places.append((number, place))
    found: list[dict[int, list[bool]]] = [{} for _ in groups]
    for (number, place), right in zip(places, rights(labels), strict=True):
        found[number][place] = [one is True for one in right]
    return found
