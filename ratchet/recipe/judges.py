"""The models that verifiers ask: who they are, what runs them, and what they may cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ratchet.recipe.engines import EndpointConfig, EngineConfig, TransformersConfig
from ratchet.records import Record

SEED = "seed"
"""The judge that needs no configuration: the round's seed model."""


class JudgeConfig(Record):
    """A judge. `model` seed is the round's seed; other models are pinned when the round begins."""

    model: str = Field(
        SEED, description="seed, a folder, s3://, models:/name@alias or hf://repo@revision; unused by engine endpoint"
    )
    engine: EngineConfig = Field(TransformersConfig(), description="transformers, vllm or endpoint")
    temperature: float = Field(0.0, ge=0)
    max_new_tokens: int = Field(256, gt=0)
    batch_size: int = Field(64, gt=0, description="replies sampled at once")
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    limit_seconds: float = Field(
        600.0, gt=0, description="longest that a server may take for one judgement, retries included"
    )
    cache: bool = Field(True, description="keep replies in the store by content, and never ask the same twice")
    price_in: float = Field(0.0, ge=0, description="price of a million tokens that it reads")
    price_out: float = Field(0.0, ge=0, description="price of a million tokens that it writes")

    @model_validator(mode="after")
    def _fits_together(self) -> JudgeConfig:
        if isinstance(self.engine, EndpointConfig) and self.model != SEED:
            raise ValueError(
                f"model {self.model!r} is not used by engine endpoint, which has its model already; set engine.model, or another engine"
            )
        return self

    @property
    def source(self) -> str | None:
        """The model that begin must pin; None where it is the seed or a server's."""
        return None if self.model == SEED or isinstance(self.engine, EndpointConfig) else self.model
