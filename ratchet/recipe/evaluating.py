"""How seed and candidate are measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record


class PassAtKConfig(Record):
    k: int = Field(4, ge=2)
    prompts: int = Field(900, gt=0, description="holdout prompts that are sampled")
    temperature: float = Field(1.0, gt=0)


class EvaluateConfig(Record):
    """How seed and candidate are measured, on the same items."""

    batch_size: int = Field(256, gt=0)
    max_new_tokens: int = Field(32, gt=0)
    pass_at_k: PassAtKConfig | None = PassAtKConfig()
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    weakness: bool = Field(
        False, description="also report what both models get wrong on validation (`ratchet weakness`)"
    )
