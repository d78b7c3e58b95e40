"""One greedy answer and one sample, to be compared with each other (SIMA, arXiv 2405.15973)."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.errors import SamplingError
from ratchet.generate.engine import Request, completions
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.random import SimaConfig
from ratchet.records import Group, Prompt


def sima(prompts: Sequence[Prompt], config: SimaConfig, tools: Tools) -> list[Group]:
    """Completion 0 is greedy, 1 is sampled; each names its own temperature. Both stay where they say the same."""
    sampled = tools.params(config, k=1)
    if sampled.temperature == 0:
        raise SamplingError(
            "strategy sima compares a greedy answer with a sample, but generate.temperature is 0; raise it."
        )
    greedy = sampled.model_copy(update={"temperature": 0.0})
    requests = [Request.of(prompt) for prompt in prompts]
    label = tools.engine.label
    return [
        Group(prompt=prompt, completions=completions(sure, greedy, label) + completions(drawn, sampled, label, first=1))
        for prompt, sure, drawn in zip(prompts, tools.ask(requests, greedy), tools.ask(requests, sampled), strict=True)
    ]
