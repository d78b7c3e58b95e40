"""How large a recipe's round is made so that it costs what all others do. Pure.

Equal visits: the same pool, and as many optimiser steps as make so many visits of training rows: a row of SFT, a pair of DPO, a
completion of RL. Equal seconds: what an arm spent with equal visits gives its own rates, seconds to collect a prompt and seconds
a step; the pool and with it the steps grow by the recipe's own epochs until collecting and training together cost the budget. A pool
that ends before the budget leaves its rest to further steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.recipe import Recipe
from ratchet.recipe.train import RL
from ratchet.records import Record

COLLECTING = ("generate", "verify", "filter")


class Size(Record):
    """Prompts that a round takes of the pool, and optimiser steps."""

    prompts: int
    steps: int


class Rates(Record):
    """What an arm costs: seconds a prompt to collect, seconds a step to train, and training rows a prompt leaves."""

    collect: float
    step: float
    rows: float


def most_prompts(recipe: Recipe, pool: int) -> int:
    """Prompts that a round can take; one that weighs what it takes needs others to choose among."""
    return max(pool // 2, 1) if recipe.generate.weakness is not None else pool


def equal_visits(recipe: Recipe, visits: int, prompts: int, pool: int) -> Size:
    """So many visits from (at most) so many prompts."""
    return Size(prompts=min(prompts, most_prompts(recipe, pool)), steps=max(visits // recipe.train.batch_size, 1))


def rates(size: Size, seconds: Mapping[str, float], rows: int) -> Rates:
    """Of an arm that is done; what was free counts as a microsecond."""
    collecting = sum(seconds.get(stage, 0.0) for stage in COLLECTING)
    return Rates(
        collect=max(collecting / size.prompts, 1e-6),
        step=max(seconds.get("train", 0.0) / size.steps, 1e-6),
        rows=rows / size.prompts,
    )


def equal_seconds(recipe: Recipe, found: Rates, budget: float, pool: int) -> Size:
    """The round that costs `budget` seconds by these rates."""
    train = recipe.train
    visits_a_prompt = train.epochs * found.rows * (train.reinforcement.k if train.method in RL else 1)
    a_prompt = found.collect + found.step * visits_a_prompt / train.batch_size
    prompts = max(min(int(budget / a_prompt), most_prompts(recipe, pool)), 1)
    return Size(prompts=prompts, steps=max(int((budget - found.collect * prompts) / found.step), 1))


def sized(recipe: Recipe, size: Size, pool: int) -> Recipe:
    """The recipe at this size. Everything else is as it was."""
    parts: dict[str, Any] = {
        "prompts": recipe.prompts.model_copy(update={"pool": pool}),
        "generate": recipe.generate.model_copy(update={"prompts": size.prompts if size.prompts < pool else None}),
        "train": recipe.train.model_copy(update={"max_steps": size.steps}),
    }
    return recipe.model_copy(update=parts)
