"""The rewards of a round: its own verifiers, opened once and closed when training ends."""

from __future__ import annotations

from contextlib import ExitStack

from ratchet.artifacts import ImageBank
from ratchet.generate.sampling import derived_seed
from ratchet.recipe import Recipe, TrainConfig
from ratchet.recipe.rewarding import reward_policy
from ratchet.records import Sampling
from ratchet.stage import StageContext
from ratchet.train.rl.rewards import Rewards
from ratchet.verify.panel import panel_of
from ratchet.verify.tools import opened


def rewards_of(context: StageContext, bank: ImageBank, keeps: bool = True) -> Rewards:
    """What this round's RL optimises. `bank` has the pictures of its prompts; `keeps` as of `opened`."""
    recipe = context.round.recipe
    config = reward_policy(recipe.verify, recipe.train)
    stack = ExitStack()
    tools = stack.enter_context(opened(context, bank, keeps))
    drawn = Sampling(
        strategy=recipe.train.method, seed=derived_seed(context.round.salt, "rl"), temperature=1.0, max_new_tokens=1
    )
    return Rewards(panel_of(config, tools), config, drawn, context.round.seed.label, closing=stack.close)


def resolved(config: TrainConfig, recipe: Recipe) -> TrainConfig:
    """With the length of completions that generate has, where train.rl names none."""
    rl = config.reinforcement
    if rl.longest is not None:
        return config
    return config.model_copy(update={"rl": rl.model_copy(update={"max_new_tokens": recipe.generate.max_new_tokens})})
