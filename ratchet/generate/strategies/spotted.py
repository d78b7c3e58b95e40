"""Spotting a wrong fact that was put into a right text: a task whose answer is known, made from any reference (ViCrit)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ratchet.generate.engine import sample
from ratchet.generate.negatives.injection import Injection, inject
from ratchet.generate.negatives.lexicons import lexicon_of
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.random import SpottedConfig
from ratchet.recipe.strategies.templates import filled
from ratchet.records import Group, Message, Prompt

NO_REFERENCE, NOTHING_TO_CHANGE = "no_reference", "nothing_to_change"


def spotted(prompts: Sequence[Prompt], config: SpottedConfig, tools: Tools) -> list[Group]:
    """k answers to a new prompt for each one: its reference with one wrong fact, whose words are the new reference.

    A prompt without a reference, or whose reference states no fact of the kinds asked for, is a row with that reason.
    """
    made = [_changed(prompt, config, tools) for prompt in prompts]
    answered = iter(sample(tools.engine, [one for one in made if isinstance(one, Prompt)], tools.params(config)))
    return [
        next(answered) if isinstance(one, Prompt) else Group(prompt=prompt, reason=one)
        for prompt, one in zip(prompts, made, strict=True)
    ]


def _changed(prompt: Prompt, config: SpottedConfig, tools: Tools) -> Prompt | str:
    """The new prompt, or why there is none."""
    if not prompt.reference:
        return NO_REFERENCE
    found = _wrong(prompt, prompt.reference, config, tools.drawn("spotted", prompt.id))
    if found is None:
        return NOTHING_TO_CHANGE
    return Prompt.make(
        messages=(Message(role="user", content=filled(config.ask, {"text": found.text, "question": prompt.question})),),
        images=prompt.images,
        skill="spot",
        source="generated:spotted",
        split_key=prompt.split_key,
        licence=prompt.licence,
        origin=prompt.id,
        reference=found.after,
        verifiers=("text",),
    )


def _wrong(prompt: Prompt, text: str, config: SpottedConfig, seed: int) -> Injection | None:
    """A replacement of the first kind, in drawn order, that the text has room for."""
    kinds = random.Random(seed).sample(config.facts, len(config.facts))
    lexicon = lexicon_of(config.words)
    for kind in kinds:
        mode = "replace" if kind == "object" else None
        found = inject(text, kind, seed, lexicon, question=prompt.question, mode=mode)
        if found is not None and found.after.strip():
            return found
    return None
