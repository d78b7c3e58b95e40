"""Random sampling: the model answers the prompt as it is."""

from __future__ import annotations

from typing import Literal

from ratchet.recipe.strategies.base import StrategyBase


class RandomConfig(StrategyBase):
    """k answers at a temperature."""

    name: Literal["random"] = "random"


class ReferenceConfig(StrategyBase):
    """The prompt's reference as its one answer, for control arms that train on labels."""

    name: Literal["reference"] = "reference"


RandomFamily = RandomConfig | ReferenceConfig
