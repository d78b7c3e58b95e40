"""How the model makes its own data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ratchet.recipe.engines import EngineConfig, TransformersConfig
from ratchet.recipe.guide import TuneConfig, WeaknessConfig
from ratchet.recipe.negatives import Negatives
from ratchet.recipe.strategies import RandomConfig, Strategies
from ratchet.records import Record

OWN_K = ("reference", "sima", "beam_tree", "best_of_n")
"""Strategies that decide themselves how many answers there are, and check their temperature."""


class GenerateConfig(Record):
    """Engine, strategies and negatives. What a strategy leaves open is taken from here."""

    engine: EngineConfig = Field(TransformersConfig(), description="transformers, vllm or endpoint")
    strategy: Strategies = Field((RandomConfig(),), description="a name, a mapping, or a list of these with weights")
    negatives: Negatives = Field((), description="kinds of deliberately bad completions to add")
    prompts: int | None = Field(None, gt=0, description="prompts taken from the pool; null: prompts.pool")
    weakness: WeaknessConfig | None = Field(None, description="take more of what the seed fails at; null: evenly")
    tune: TuneConfig | None = Field(None, description="choose the temperature on a probe each round; null: fixed")
    k: int = Field(8, ge=1, le=1024, description="completions a prompt")
    temperature: float = Field(1.0, ge=0, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0: no cut")
    max_new_tokens: int = Field(32, gt=0)
    batch_size: int = Field(256, gt=0, description="completions sampled at once")
    rows_per_file: int = Field(450, gt=0, description="prompts a file; what a killed stage loses at most")
    shards: int = Field(1, ge=1, le=4096, description="the prompts are split by hash and made side by side")
    max_error_share: float = Field(
        0.02, ge=0, le=1, description="more prompts than this without an answer stop the stage"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    @model_validator(mode="after")
    def _fits_together(self) -> GenerateConfig:
        for one in self.strategy:
            temperature = self.temperature if one.temperature is None else one.temperature
            k = self.k if one.k is None else one.k
            if one.name not in OWN_K and temperature == 0 and k > 1:
                raise ValueError(
                    f"temperature 0 gives {k} times the same answer; set generate.k to 1 or raise the temperature"
                )
        if self.engine.kind != "transformers" and any(one.kind == "mix" for one in self.negatives):
            raise ValueError(
                f"negatives of kind mix change the logits, which engine {self.engine.kind} cannot; use engine transformers"
            )
        return self

    @property
    def plain_k(self) -> int | None:
        """Most completions of a prompt where all strategies are plain sampling; None where others decide themselves."""
        if not all(isinstance(one, RandomConfig) for one in self.strategy):
            return None
        return max(self.k if one.k is None else one.k for one in self.strategy)
