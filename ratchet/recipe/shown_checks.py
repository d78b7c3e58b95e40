"""What of training on shown prompts must fit the strategies that show them."""

from __future__ import annotations

from typing import get_args

from ratchet.recipe.generate import GenerateConfig
from ratchet.recipe.strategies.random import RandomFamily
from ratchet.recipe.train import TrainConfig

_SHOW_NOTHING = (*get_args(RandomFamily),)


def check_shown(generate: GenerateConfig, train: TrainConfig) -> None:
    """Raise ValueError where what was shown must not be learned from, or is the stored prompt."""
    if train.prompt != "shown":
        return
    if any(one.name == "hinted" for one in generate.strategy):
        raise ValueError(
            "train.prompt shown would teach to copy the hint that strategy hinted shows; use train.prompt stored"
        )
    if all(isinstance(one, _SHOW_NOTHING) for one in generate.strategy):
        raise ValueError(
            f"train.prompt is shown, but {', '.join(one.name for one in generate.strategy)} shows the stored prompt alone; use a "
            "strategy that shows more (captioned, prompted, described), or train.prompt stored"
        )
