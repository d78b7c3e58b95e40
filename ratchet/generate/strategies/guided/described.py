"""Describe, then answer: with the picture in view, and from the description alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ratchet.generate.engine import Request
from ratchet.generate.strategies.guided.steps import Made, Step, ask, clipped, group, request, then
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.guided import DescribedConfig
from ratchet.recipe.strategies.templates import filled
from ratchet.records import Group, Part, Prompt

DESCRIPTION = "description"
TEXT_ONLY = "text_only"


def described(prompts: Sequence[Prompt], config: DescribedConfig, tools: Tools) -> list[Group]:
    """k descriptions of the picture for the question, each answered twice (Vision-SR1, arXiv 2508.19652).

    Completion i in 0..k-1 sees the picture: its text is `begun` with the description, then the model's answer (by
    default `<description>D</description> <answer>A</answer>`). Completion k+i is asked with description i and NO
    picture (`input.images` is empty): where it is right, the description holds what the question needs. Notes:
    `description` i on both, `text_only` 1 on the latter; a verifier compares the two, nothing is judged here.
    """
    params = tools.params(config)
    one = params.model_copy(update={"k": 1})
    limit = params.model_copy(update={"max_new_tokens": config.caption_tokens or params.max_new_tokens})
    said = ask(tools, [[request(prompt, "describe", config.describe)] for prompt in prompts], limit)
    pairs = list(zip(prompts, said, strict=True))
    seen = ask(tools, [[_see(p, config, i, m) for i, m in enumerate(made)] for p, made in pairs], one)
    alone = ask(tools, [[_alone(p, config, i, m) for i, m in enumerate(made)] for p, made in pairs], one)
    return [
        group(prompt, [*_noted(see, made), *_noted(blind, made, Part(name=TEXT_ONLY, score=1.0))], one, tools)
        for (prompt, made), see, blind in zip(pairs, seen, alone, strict=True)
    ]


def _see(prompt: Prompt, config: DescribedConfig, number: int, description: Made) -> Step:
    def asked(text: str) -> Request:
        begun = filled(config.begun or "", {"caption": text})
        return replace(request(prompt, f"see/{number}", config.instruction, caption=text), begun=begun)

    return then(description.answer, DESCRIPTION, asked)


def _alone(prompt: Prompt, config: DescribedConfig, number: int, description: Made) -> Step:
    def asked(text: str) -> Request:
        return replace(request(prompt, f"alone/{number}", config.alone, caption=text), images=())

    return then(description.answer, DESCRIPTION, asked)


def _noted(answers: Sequence[Made], descriptions: Sequence[Made], *more: Part) -> list[Made]:
    return [
        replace(m, notes=(Part(name=DESCRIPTION, score=float(i)), *more, *clipped(descriptions[i].answer)))
        for i, m in enumerate(answers)
    ]
