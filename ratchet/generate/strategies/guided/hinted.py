"""Rationalisation: where the model fails, it is told the answer and asked for the way there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ratchet.generate.engine import Request
from ratchet.generate.strategies.guided.steps import Made, ask, group, request
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.guided import HintedConfig
from ratchet.records import Group, Part, Prompt

NO_REFERENCE = "no_reference"
"""Reason of a group that needed a hint, and whose prompt has no reference to give."""


def hinted(prompts: Sequence[Prompt], config: HintedConfig, tools: Tools) -> list[Group]:
    """k answers as usual, then answers with the reference as a hint where none passes the prompt's own verifiers
    (STaR, arXiv 2203.14465; Video-STaR).

    All are kept; those made with a hint come last, have it in their `input`, and say in the note `leak` whether they
    betray it. What the verifiers cannot tell counts as not passed. A group that needs a hint and has no reference keeps
    its answers and has the reason `no_reference`.
    """
    params = tools.params(config)
    plain = ask(tools, [[Request.of(prompt)] for prompt in prompts], params)
    groups = [group(prompt, one, params, tools) for prompt, one in zip(prompts, plain, strict=True)]
    solved = [any(one) and not config.always for one in tools.rights(groups)]
    steps = [
        [] if done or not prompt.reference else [request(prompt, "hint", config.hint, hint=prompt.reference)]
        for prompt, done in zip(prompts, solved, strict=True)
    ]
    more = ask(tools, steps, params.model_copy(update={"k": config.hinted or params.k}))
    made = []
    for first, one, hints, done in zip(groups, plain, more, solved, strict=True):
        whole = group(first.prompt, [*one, *(_noted(hint, config.leaks) for hint in hints)], params, tools)
        needs = not done and not first.prompt.reference
        made.append(whole.model_copy(update={"reason": NO_REFERENCE}) if needs else whole)
    return made


def _noted(made: Made, leaks: Sequence[str]) -> Made:
    said = " ".join(made.answer.text.lower().split())
    leak = any(phrase.lower() in said for phrase in leaks)
    return replace(made, notes=(Part(name="leak", score=float(leak)),))
