"""Plain sampling, and the label in its place for control arms."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.generate.engine import sample
from ratchet.generate.sampling import ReferenceSampler
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies import RandomConfig, ReferenceConfig
from ratchet.records import Group, Prompt


def random(prompts: Sequence[Prompt], config: RandomConfig, tools: Tools) -> list[Group]:
    """k answers to the prompt as it is, at a temperature (MM-UPT: k 10, temperature .7)."""
    return list(sample(tools.engine, prompts, tools.params(config)))


def reference(prompts: Sequence[Prompt], config: ReferenceConfig, tools: Tools) -> list[Group]:
    """Each prompt's reference as its one answer."""
    return list(ReferenceSampler().sample(prompts, tools.params(config, k=1)))
