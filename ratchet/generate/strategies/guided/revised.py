"""The model mends its own answers: after a critique, or by going on from where a chain was cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ratchet.generate.engine import Answer, Request, joined
from ratchet.generate.sampling import SamplingParams
from ratchet.generate.strategies.guided.chains import cuts
from ratchet.generate.strategies.guided.steps import Made, Step, ask, clipped, group, request, then
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.guided import RevisedConfig
from ratchet.records import Group, Part, Prompt

NO_STEP = "no_step"
"""Slug of a revision that was not asked for, because the answer has no place to cut it."""

Round = list[list[Made]]
"""For each prompt its k answers of one round."""


def revised(prompts: Sequence[Prompt], config: RevisedConfig, tools: Tools) -> list[Group]:
    """k answers, and `rounds` revisions of each; completion r*k+i revises (r-1)*k+i and names it as its parent.

    critique: the model criticises the answer and answers again with both in view (VideoSAVi); the critique is in the
    revision's `input`. truncate: the answer is cut at a random step and the model goes on from there, asked to correct
    (Sherlock, arXiv 2505.22651); `input.begun` is what was left, and the notes say where it was cut: `cut_step` steps
    or words, `cut` characters.
    """
    params = tools.params(config)
    rounds = [ask(tools, [[_first(prompt, config)] for prompt in prompts], params)]
    revise = _criticised if config.mode == "critique" else _corrected
    one = params.model_copy(update={"k": 1})
    for number in range(1, config.rounds + 1):
        made = revise(prompts, rounds[-1], number, config, one, tools)
        rounds.append([[replace(m, parent=(number - 1) * params.k + i) for i, m in enumerate(row)] for row in made])
    return [
        group(prompt, [made for row in rows for made in row], params, tools)
        for prompt, *rows in zip(prompts, *rounds, strict=True)
    ]


def _first(prompt: Prompt, config: RevisedConfig) -> Request:
    return Request.of(prompt) if config.first is None else request(prompt, "first", config.first)


def said_by(made: Made) -> Answer:
    """The answer with what it went on from, as the completion will have it."""
    begun = made.step.begun if isinstance(made.step, Request) else ""
    return replace(made.answer, text=joined(begun, made.answer.text))


def _criticised(
    prompts: Sequence[Prompt],
    before: Round,
    number: int,
    config: RevisedConfig,
    params: SamplingParams,
    tools: Tools,
) -> Round:
    limit = params.model_copy(update={"max_new_tokens": config.critique_tokens or params.max_new_tokens})
    pairs = list(zip(prompts, before, strict=True))
    criticisms = ask(
        tools, [[_critique(p, config, number, i, m) for i, m in enumerate(row)] for p, row in pairs], limit
    )
    steps = [
        [
            _revision(prompt, config, number, i, made, said)
            for i, (made, said) in enumerate(zip(row, heard, strict=True))
        ]
        for (prompt, row), heard in zip(pairs, criticisms, strict=True)
    ]
    answers = ask(tools, steps, params)
    return [
        [replace(m, notes=clipped(said.answer)) for m, said in zip(row, heard, strict=True)]
        for row, heard in zip(answers, criticisms, strict=True)
    ]


def _critique(prompt: Prompt, config: RevisedConfig, number: int, place: int, made: Made) -> Step:
    stage = f"critique/{number}/{place}"
    return then(said_by(made), "answer", lambda text: request(prompt, stage, config.critique, answer=text))


def _revision(prompt: Prompt, config: RevisedConfig, number: int, place: int, made: Made, said: Made) -> Step:
    stage, answer = f"revise/{number}/{place}", said_by(made).text.strip()
    return then(
        said.answer, "critique", lambda text: request(prompt, stage, config.revise, answer=answer, critique=text)
    )


def _corrected(
    prompts: Sequence[Prompt],
    before: Round,
    number: int,
    config: RevisedConfig,
    params: SamplingParams,
    tools: Tools,
) -> Round:
    steps = [
        [_correction(prompt, config, number, i, made, tools) for i, made in enumerate(row)]
        for prompt, row in zip(prompts, before, strict=True)
    ]
    answers = ask(tools, steps, params)
    return [
        [
            replace(m, notes=_cut_notes(said_by(old).text.strip(), m.step, config))
            for m, old in zip(row, olds, strict=True)
        ]
        for row, olds in zip(answers, before, strict=True)
    ]


def _correction(prompt: Prompt, config: RevisedConfig, number: int, place: int, made: Made, tools: Tools) -> Step:
    old = said_by(made)
    places = cuts(old.text.strip(), config.cut)
    if old.error is None and old.text.strip() and not places:
        return Answer.failed(NO_STEP, f"the answer has one {config.cut[:-1]} only, so there is nowhere to cut it")
    draw = tools.drawn(prompt.id, "cut", number, place)

    def go_on(text: str) -> Request:
        begun = text[: places[draw % len(places)]]
        return replace(request(prompt, f"correct/{number}/{place}", config.correct, answer=text), begun=begun)

    return then(old, "answer", go_on)


def _cut_notes(old: str, step: Step, config: RevisedConfig) -> tuple[Part, ...]:
    if not isinstance(step, Request):
        return ()
    cut = len(step.begun)
    kept = cuts(old, config.cut).index(cut) + 1
    return (Part(name="cut_step", score=float(kept)), Part(name="cut", score=float(cut)))
