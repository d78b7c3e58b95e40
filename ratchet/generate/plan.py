"""What a round decides before it collects: the temperature, and how much of each skill and difficulty band.

It looks at `validation` only. The first shard that is done stores it; all others take what is stored, so that shards on
different machines agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.artifacts import ImageBank
from ratchet.generate.choosing import Choice, Weights
from ratchet.generate.strategies import Tools
from ratchet.recipe import GenerateConfig
from ratchet.records import Record
from ratchet.stage import StageContext


class Plan(Record):
    """What was decided, and on what grounds. Empty where the recipe leaves nothing to decide."""

    temperature: float | None = None

    def weights(self) -> Weights | None:
        """How much to take of each cell; None: evenly."""
        return None

    def applied(self, config: GenerateConfig) -> GenerateConfig:
        """The stage's configuration with what was decided."""
        return config if self.temperature is None else config.model_copy(update={"temperature": self.temperature})

    def told(self, choice: Choice) -> dict[str, Any]:
        """What the manifest says of the plan and of what came of it."""
        return {} if choice.weights is None else {"asked": sum(choice.asked.values())}


def plan_of(context: StageContext, tools: Callable[[ImageBank], Tools]) -> Plan:
    """This round's plan: stored already, or made now by probing the seed on `validation`."""
    del context, tools
    return Plan()
