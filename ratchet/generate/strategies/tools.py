"""What a strategy works with, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.artifacts import ImageBank
from ratchet.generate.engine import Answer, Engine, Request
from ratchet.generate.sampling import SamplingParams, derived_seed
from ratchet.recipe import GenerateConfig
from ratchet.recipe.strategies import StrategyBase
from ratchet.records import Group, Prompt
from ratchet.verify.judging import rights

Strategy = Callable[[Sequence[Prompt], Any, "Tools"], list[Group]]
"""`collect(prompts, config, tools)`: groups for the prompts, in their order, or for prompts made from them.

A prompt of which nothing came is a group without completions whose `reason` says why: nothing is dropped silently.
"""


@dataclass(frozen=True)
class Tools:
    """The engine (opened when it is first needed), this round's seed for all draws, and the stage's configuration."""

    opened: Callable[[], Engine]
    config: GenerateConfig
    seed: int
    timeout_seconds: float = 10.0
    pictures: ImageBank | None = None

    @property
    def engine(self) -> Engine:
        return self.opened()

    @property
    def bank(self) -> ImageBank:
        """The prompts' pictures; what a strategy makes is added to it. Does not start the engine where it is given."""
        return self.engine.bank if self.pictures is None else self.pictures

    def plain(self, temperature: float | None = None) -> SamplingParams:
        """One answer at a time by the stage's parameters, for completions that no strategy made."""
        given = self.config.model_dump(include=set(SamplingParams.model_fields) - {"strategy", "seed", "k"})
        changed = {} if temperature is None else {"temperature": temperature}
        return SamplingParams(**{**given, "strategy": "negative", "seed": self.seed, **changed})

    def params(self, strategy: StrategyBase, **changes: Any) -> SamplingParams:
        """The stage's sampling parameters with the strategy's own and `changes` over them."""
        names = set(SamplingParams.model_fields)
        base = self.config.model_dump(include=names - {"strategy", "seed"})
        own = {k: v for k, v in strategy.model_dump(include=names).items() if v is not None}
        given = {**base, **own, "strategy": getattr(strategy, "name", "random"), "seed": self.seed, **changes}
        return SamplingParams(**given)

    def ask(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        """`params.k` answers to each request. An empty list costs nothing."""
        return self.engine.answer(requests, params) if requests else []

    def rights(self, groups: Sequence[Group]) -> list[list[bool | None]]:
        """For each completion whether the verifiers that its prompt names all pass it; None where they cannot tell."""
        return rights(groups, self.timeout_seconds, self.pictures)

    def drawn(self, *parts: str | int) -> int:
        """A number of 48 bits that depends on this round's seed and `parts`."""
        return derived_seed(self.seed, *parts)
