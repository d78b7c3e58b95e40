"""Strategies: how a model is asked. A plain dict from names to functions; `collect` runs a recipe's mix of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ratchet.generate.sampling import derived_share
from ratchet.generate.strategies import plain
from ratchet.generate.strategies.asking import ASKING
from ratchet.generate.strategies.beam import beam_tree
from ratchet.generate.strategies.best import best_of_n
from ratchet.generate.strategies.guided import GUIDED
from ratchet.generate.strategies.sima import sima
from ratchet.generate.strategies.spotted import spotted
from ratchet.generate.strategies.tools import Strategy, Tools
from ratchet.recipe.strategies import StrategyConfig
from ratchet.records import Group, Prompt

__all__ = ["STRATEGIES", "Strategy", "Tools", "collect", "dealt"]

STRATEGIES: Mapping[str, Strategy] = {
    "random": plain.random,
    "reference": plain.reference,
    "sima": sima,
    "beam_tree": beam_tree,
    "best_of_n": best_of_n,
    "spotted": spotted,
    **GUIDED,
    **ASKING,
}


def collect(prompts: Sequence[Prompt], mix: Sequence[StrategyConfig], tools: Tools) -> list[Group]:
    """Groups of all prompts, each made by the strategy of the mix that it falls to, in the order of the prompts."""
    hands = dealt(prompts, mix, tools.seed)
    made = [STRATEGIES[one.name](hand, one, tools) if hand else [] for one, hand in zip(mix, hands, strict=True)]
    if len(mix) == 1:
        return made[0]
    places = {prompt.id: place for place, prompt in enumerate(prompts)}
    groups = [group for one in made for group in one]
    return sorted(groups, key=lambda g: places.get(g.prompt.id, places.get(g.prompt.origin or "", len(places))))


def dealt(prompts: Sequence[Prompt], mix: Sequence[StrategyConfig], seed: int) -> list[list[Prompt]]:
    """The prompts that fall to each strategy, by weight: a salted hash of the id decides, so shards do not matter."""
    hands: list[list[Prompt]] = [[] for _ in mix]
    total = sum(one.weight for one in mix)
    for prompt in prompts:
        place = derived_share(seed, "mix", prompt.id) * total
        number = 0
        while number < len(mix) - 1 and place >= mix[number].weight:
            place -= mix[number].weight
            number += 1
        hands[number].append(prompt)
    return hands
