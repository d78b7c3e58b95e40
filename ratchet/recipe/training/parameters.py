"""Which weights learn, and in what precision."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record

Tower = Literal["vision", "projector", "text"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


class LoraConfig(Record):
    """Low-rank adapters instead of full weights (Hu et al. 2021); STIC: rank 128, alpha 256."""

    rank: int = Field(16, gt=0)
    alpha: int = Field(32, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    vision: bool = Field(True, description="false: no adapters in the vision tower")
    save: Literal["merged", "adapter"] = Field(
        "merged",
        description="what is registered: a whole model, or the adapter beside its base (for servers that swap adapters)",
    )


class ParametersConfig(Record):
    """Which weights learn, and in what precision."""

    frozen: tuple[Tower, ...] = Field((), description="towers that do not learn")
    precision: Precision = Field("auto", description="auto: bfloat16 where the device computes in it, else float32")
    gradient_checkpointing: bool | None = Field(None, description="null: on a GPU only")
    packing: bool = Field(False, description="SFT: several rows in one sequence, where TRL can do it with pictures")
    memory_share: float | None = Field(
        0.95,
        gt=0,
        le=1,
        description="share of the device's memory that the estimate may fill before training is refused; null: never",
    )
