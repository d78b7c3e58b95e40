"""Which weights learn, and in what precision."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from ratchet.records import Record

Tower = Literal["vision", "projector", "text"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
TOWERS: tuple[Tower, ...] = get_args(Tower)
_OF_VISION = ("vision", "visual", "image_tower")
"""Parts of names that only modules of vision towers have."""


class LoraConfig(Record):
    """Low-rank adapters instead of full weights (Hu et al. 2021, arXiv 2106.09685); STIC: rank 128, alpha 256."""

    rank: int = Field(16, gt=0)
    alpha: int = Field(32, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["all-linear"] = Field(
        "all-linear", description="ends of module names; all-linear: every linear layer but the head"
    )
    vision: bool = Field(True, description="false: no adapters in the vision tower")
    save: Literal["merged", "adapter"] = Field(
        "merged",
        description="what is registered: a whole model, or the adapter beside its base (for servers that swap adapters)",
    )

    @model_validator(mode="after")
    def _no_vision_where_none_is_wanted(self) -> LoraConfig:
        named = [] if isinstance(self.targets, str) else [t for t in self.targets if any(v in t for v in _OF_VISION)]
        if named and not self.vision:
            raise ValueError(
                f"train.lora.targets names {', '.join(named)}, which lie in the vision tower, but train.lora.vision is false; "
                "remove them from targets, or set vision: true"
            )
        return self


class ParametersConfig(Record):
    """Which weights learn, and in what precision."""

    frozen: tuple[Tower, ...] = Field((), description="towers that do not learn")
    precision: Precision = Field(
        "auto",
        description="what the device computes in; auto: bfloat16 where it can, else float32. Weights that learn are float32",
    )
    gradient_checkpointing: bool | None = Field(
        None, description="compute activations twice instead of keeping them; null: on a GPU only"
    )
    memory_share: float | None = Field(
        0.95,
        gt=0,
        le=1,
        description="share of the device's memory that the estimate may fill before training is refused; null: never",
    )

    @model_validator(mode="after")
    def _something_learns(self) -> ParametersConfig:
        if set(self.frozen) == set(TOWERS):
            raise ValueError("train.parameters.frozen names all towers, so nothing would learn; leave one out")
        return self
