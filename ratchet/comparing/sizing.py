"""How large a recipe's round is made so that it costs what all others do. Pure.

Equal visits: the same pool, and as many optimiser steps as come nearest to so many visits of training rows: a row of SFT, a
pair of DPO, a completion of RL. Equal seconds: what an arm spent with equal visits gives its own rates, seconds to collect a
prompt and seconds a step; the pool grows until collecting it and learning it by the recipe's own epochs cost the budget. Steps
are counted once the filter is done: by the rows that it left, or by the seconds that it left of the budget, so that a pool which
ends before the budget leaves its rest to further steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.recipe import Recipe
from ratchet.recipe.train import RL
from ratchet.records import Record

COLLECTING = ("generate", "verify", "filter")
NEAR = 1 / 3
"""An arm that misses its seconds by more than this share of them is made once more, by what it showed of its rates."""


class Size(Record):
    """Prompts that a round takes of the pool, and optimiser steps."""

    prompts: int
    steps: int


class Rates(Record):
    """What an arm costs: seconds a prompt to collect, seconds a step to train, and training rows a prompt leaves."""

    collect: float
    step: float
    rows: float


class Collected(Record):
    """What collecting cost, in seconds, and the training rows that it left."""

    seconds: float
    rows: int


def most_prompts(recipe: Recipe, pool: int) -> int:
    """Prompts that a round can take; one that weighs what it takes needs others to choose among."""
    return max(pool // 2, 1) if recipe.generate.weakness is not None else pool


def steps_of_visits(recipe: Recipe, visits: int, rows: int) -> int:
    """Steps that come nearest to so many visits: the last batch of an epoch over `rows` is smaller, one of RL's never is."""
    a_step = recipe.train.batch_size * int(recipe.train.trl.get("gradient_accumulation_steps", 1))
    whole, rest = (0, visits) if recipe.train.method in RL or not rows else divmod(visits, rows)
    return max(whole * -(-rows // a_step) + (2 * rest + a_step) // (2 * a_step), 1)


def rates(size: Size, seconds: Mapping[str, float], rows: int) -> Rates:
    """Of an arm that is done; what was free counts as a microsecond."""
    return Rates(
        collect=max(collecting(seconds) / size.prompts, 1e-6),
        step=max(seconds.get("train", 0.0) / size.steps, 1e-6),
        rows=rows / size.prompts,
    )


def collecting(seconds: Mapping[str, float]) -> float:
    """Seconds of the stages before train."""
    return sum(seconds.get(stage, 0.0) for stage in COLLECTING)


def prompts_of_seconds(recipe: Recipe, found: Rates, budget: float, pool: int) -> int:
    """Prompts whose collecting and training cost `budget` seconds by these rates."""
    train = recipe.train
    visits_a_prompt = train.epochs * found.rows * completions(recipe)
    a_prompt = found.collect + found.step * visits_a_prompt / train.batch_size
    return max(min(int(budget / a_prompt), most_prompts(recipe, pool)), 1)


def steps_of_seconds(found: Rates, budget: float, collected: float) -> int:
    """Steps for what collecting left of the budget."""
    return max(int((budget - collected) / found.step), 1)


def missed(spent: float, budget: float) -> bool:
    """Whether an arm cost so much more or less than its budget that it is made once more."""
    return abs(spent - budget) > NEAR * budget


def completions(recipe: Recipe) -> int:
    """Visits of a row each time that it is learned from: a prompt of RL has its own completions, all else counts once."""
    return recipe.train.reinforcement.k if recipe.train.method in RL else 1


def sized(recipe: Recipe, prompts: int, pool: int, steps: int | None = None) -> Recipe:
    """The recipe at this size, with its own steps where none are given. Everything else is as it was."""
    parts: dict[str, Any] = {
        "prompts": recipe.prompts.model_copy(update={"pool": pool}),
        "generate": recipe.generate.model_copy(update={"prompts": prompts if prompts < pool else None}),
    }
    if steps is not None:
        parts["train"] = recipe.train.model_copy(update={"max_steps": steps})
    return recipe.model_copy(update=parts)
