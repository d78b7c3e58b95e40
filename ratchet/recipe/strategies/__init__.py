"""One configuration model per strategy; a recipe names one, or mixes several by weight."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ratchet.recipe.strategies.base import StrategyBase
from ratchet.recipe.strategies.guided import GuidedFamily
from ratchet.recipe.strategies.questions import QuestionFamily
from ratchet.recipe.strategies.random import RandomConfig, RandomFamily, ReferenceConfig

__all__ = ["RandomConfig", "ReferenceConfig", "Strategies", "StrategyBase", "StrategyConfig"]

StrategyConfig = Annotated[RandomFamily | GuidedFamily | QuestionFamily, Field(discriminator="name")]


def _listed(value: Any) -> Any:
    """A name, a mapping, or a list of these: always as a list of mappings."""
    many = list(value) if isinstance(value, list | tuple) else [value]
    return [{"name": one} if isinstance(one, str) else one for one in many]


Strategies = Annotated[tuple[StrategyConfig, ...], BeforeValidator(_listed), Field(min_length=1)]
