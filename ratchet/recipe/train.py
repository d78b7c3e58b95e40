"""How the model learns."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ratchet.records import Record


class LoraConfig(Record):
    """Low-rank adapters instead of full weights; merged into the model that is registered."""

    rank: int = Field(16, gt=0)
    alpha: int = Field(32, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"


class TrainConfig(Record):
    """How the model learns. Only what recipes vary is here; `trl` passes through to TRL's own configuration."""

    method: Literal["sft", "dpo"] = "sft"
    epochs: float = Field(3.0, gt=0)
    max_steps: int | None = Field(None, gt=0, description="overrides epochs")
    batch_size: int = Field(32, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    schedule: str = "linear"
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    lora: LoraConfig | None = None
    beta: float = Field(0.1, gt=0, description="DPO: strength of the anchor to the reference model")
    loss: tuple[str, ...] = Field(("sigmoid", "sft"), description="DPO: TRL's loss types")
    loss_weights: tuple[float, ...] | None = Field(None, description="DPO: one weight a loss; null: all 1")
    trl: dict[str, Any] = Field(default_factory=dict, description="further fields of TRL's configuration")
