"""Captions that are improved round by round, at the end with what specialists add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ratchet.generate.engine import Answer
from ratchet.generate.sampling import SamplingParams
from ratchet.generate.strategies.guided.steps import Made, Step, ask, clipped, failure, group, request, then
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.guided import RecaptionedConfig
from ratchet.records import Group, Prompt

Captions = list[list[Made]]
"""For each prompt its k captions of one round; with specialists, as they were told to the last round."""


def recaptioned(prompts: Sequence[Prompt], config: RecaptionedConfig, tools: Tools) -> list[Group]:
    """k captions, each improved round by round (VILA2, arXiv 2407.17453: about 3 rounds, then specialists).

    The last round comes first, so that who takes the first good completion takes a final one: with R rounds, caption i
    of round r (0 is the first) is completion (R-1-r)*k+i, and its parent the one of round r-1, (R-r)*k+i. Specialists'
    answers are added to the caption, a line each, before the last round, and are in its `input`.
    """
    params = tools.params(config)
    one = params.model_copy(update={"k": 1})
    rounds = [ask(tools, [[request(prompt, "caption", config.caption)] for prompt in prompts], params)]
    for number in range(1, config.rounds):
        last = number == config.rounds - 1
        told = _with_specialists(prompts, rounds[-1], config, one, tools) if last else rounds[-1]
        made = _improved(prompts, told, number, config, one, tools)
        parent = (config.rounds - number) * params.k
        rounds.append([[replace(m, parent=parent + i) for i, m in enumerate(row)] for row in made])
    return [
        group(prompt, [made for row in reversed(rows) for made in row], params, tools)
        for prompt, *rows in zip(prompts, *rounds, strict=True)
    ]


def _improved(
    prompts: Sequence[Prompt],
    told: Captions,
    number: int,
    config: RecaptionedConfig,
    params: SamplingParams,
    tools: Tools,
) -> Captions:
    steps = [
        [_improve(prompt, config, number, i, one.answer) for i, one in enumerate(row)]
        for prompt, row in zip(prompts, told, strict=True)
    ]
    made = ask(tools, steps, params)
    return [
        [replace(m, notes=clipped(old.answer)) for m, old in zip(row, olds, strict=True)]
        for row, olds in zip(made, told, strict=True)
    ]


def _improve(prompt: Prompt, config: RecaptionedConfig, number: int, place: int, caption: Answer) -> Step:
    stage = f"recaption/{number}/{place}"
    return then(caption, "caption", lambda text: request(prompt, stage, config.instruction, caption=text))


def _with_specialists(
    prompts: Sequence[Prompt], captions: Captions, config: RecaptionedConfig, params: SamplingParams, tools: Tools
) -> Captions:
    """The captions with what each specialist says of the picture; one that fails or says nothing fails its caption."""
    kinds = config.specialists
    if not kinds:
        return captions
    steps = [
        [_consult(prompt, kind, f"{s}/{i}", m.answer) for i, m in enumerate(row) for s, kind in enumerate(kinds)]
        for prompt, row in zip(prompts, captions, strict=True)
    ]
    said = ask(tools, steps, params)
    n = len(kinds)
    return [
        [
            replace(m, answer=_joined(m.answer, [one.answer for one in heard[i * n : (i + 1) * n]]))
            for i, m in enumerate(row)
        ]
        for row, heard in zip(captions, said, strict=True)
    ]


def _consult(prompt: Prompt, kind: str, place: str, caption: Answer) -> Step:
    return then(caption, "caption", lambda text: request(prompt, f"specialist/{place}", kind, caption=text))


def _joined(caption: Answer, said: Sequence[Answer]) -> Answer:
    """The caption with the specialists' lines, or the failed answer that says which of them gave none."""
    failures = (failure(one, f"answer of specialist {number}") for number, one in enumerate(said, 1))
    failed = next((one for one in failures if one is not None), None)
    if caption.error is not None:
        return caption
    if failed is not None:
        return failed
    cut = any(one.finish_reason == "length" for one in (caption, *said))
    text = "\n".join(one.text.strip() for one in (caption, *said))
    return replace(caption, text=text, finish_reason="length" if cut else "stop")
