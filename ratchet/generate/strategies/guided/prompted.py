"""One guided answer a completion: from a long instruction, from a caption, or as a chain of thought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ratchet.generate.engine import Answer, Request
from ratchet.generate.sampling import check_references
from ratchet.generate.strategies.guided.chains import INSTRUCTIONS, parts, steps
from ratchet.generate.strategies.guided.steps import Made, Step, ask, clipped, group, request, then, told
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.guided import CaptionedConfig, ChainConfig, PromptedConfig
from ratchet.records import Group, Part, Prompt


def prompted(prompts: Sequence[Prompt], config: PromptedConfig, tools: Tools) -> list[Group]:
    """k answers to a long instruction; the short prompt is what is stored (STIC, arXiv 2405.19716).

    The side to prefer less comes from the recipe's `negatives`.
    """
    params = tools.params(config)
    made = ask(tools, [[request(prompt, "prompted", config.instruction)] for prompt in prompts], params)
    return [group(prompt, one, params, tools) for prompt, one in zip(prompts, made, strict=True)]


def captioned(prompts: Sequence[Prompt], config: CaptionedConfig, tools: Tools) -> list[Group]:
    """k answers with picture and caption in view (SENA). The caption is in each completion's `input`.

    One caption serves all k, or each has its own (`captions: k`). A completion whose caption was cut by its limit of
    tokens has the note `clipped_context`. With `answers: reference` the one completion is the prompt's reference, of the model
    that captions. Raises SamplingError where a prompt has none.
    """
    labelled = config.answers == "reference"
    params = tools.params(config, **({"k": 1} if labelled else {}))
    each = config.captions == "k"
    limit = config.caption_tokens or params.max_new_tokens
    caption = params.model_copy(update={"k": params.k if each else 1, "max_new_tokens": limit})
    answer = params.model_copy(update={"k": 1 if each else params.k})
    said = ask(tools, [[request(prompt, "caption", config.caption)] for prompt in prompts], caption)
    asked = [[_with_caption(p, config, i, c) for i, c in enumerate(one)] for p, one in zip(prompts, said, strict=True)]
    made = _labels(prompts, asked) if labelled else ask(tools, asked, answer)
    groups = []
    for prompt, captions, one in zip(prompts, said, made, strict=True):
        noted = [replace(m, notes=clipped(captions[i // answer.k].answer)) for i, m in enumerate(one)]
        groups.append(group(prompt, noted, answer, tools))
    return groups


def _labels(prompts: Sequence[Prompt], asked: Sequence[Sequence[Step]]) -> list[list[Made]]:
    """The references in place of what would be asked, except where there is nothing to ask with."""
    check_references(prompts, "captioned with answers reference", "answers model")
    return [
        [Made(s, s if isinstance(s, Answer) else Answer(prompt.reference or "", 0, "stop")) for s in steps]
        for prompt, steps in zip(prompts, asked, strict=True)
    ]


def _with_caption(prompt: Prompt, config: CaptionedConfig, number: int, caption: Made) -> Step:
    return then(
        caption.answer,
        "caption",
        lambda text: request(prompt, f"captioned/{number}", config.instruction, caption=text),
    )


def chain(prompts: Sequence[Prompt], config: ChainConfig, tools: Tools) -> list[Group]:
    """k chains of thought; the whole chain is the completion's text.

    Notes: `well_formed` 1 where the text keeps the form, `steps` the number of steps of its thought. Forced chains hurt
    small models (R1-V saw it at 2B).
    """
    params = tools.params(config)
    made = ask(tools, [[_chain_request(prompt, config)] for prompt in prompts], params)
    return [
        group(prompt, [replace(m, notes=_notes(m.answer.text, config)) for m in one], params, tools)
        for prompt, one in zip(prompts, made, strict=True)
    ]


def _chain_request(prompt: Prompt, config: ChainConfig) -> Request:
    instruction = config.instruction or INSTRUCTIONS[config.form]
    if config.place == "user":
        template = config.instruction or f"{{question}}\n\n{instruction}"
        return request(prompt, "chain", template)
    return Request(f"{prompt.id}/chain", told(prompt.messages, instruction), prompt.images, skill=prompt.skill)


def _notes(text: str, config: ChainConfig) -> tuple[Part, ...]:
    found = parts(text, config.form)
    number = float(len(steps(found.thought)))
    return (Part(name="well_formed", score=float(found.well_formed)), Part(name="steps", score=number))
