"""One configuration model per strategy; a recipe names one, or mixes several by weight."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from ratchet.recipe.naming import listed
from ratchet.recipe.strategies.base import StrategyBase
from ratchet.recipe.strategies.guided import GuidedFamily
from ratchet.recipe.strategies.questions import QuestionFamily
from ratchet.recipe.strategies.random import RandomConfig, RandomFamily, ReferenceConfig

__all__ = ["RandomConfig", "ReferenceConfig", "Strategies", "StrategyBase", "StrategyConfig"]

StrategyConfig = Annotated[RandomFamily | GuidedFamily | QuestionFamily, Field(discriminator="name")]


NAMES: frozenset[str] = frozenset(
    get_args(one.model_fields["name"].annotation)[0]
    for family in (RandomFamily, GuidedFamily, QuestionFamily)
    for one in get_args(family)
)


def _listed(value: Any) -> Any:
    """A name, a mapping, or a list of these: always as a list of mappings."""
    return listed(value, "name", NAMES, "strategy")


Strategies = Annotated[tuple[StrategyConfig, ...], BeforeValidator(_listed), Field(min_length=1)]
