"""How the model learns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from ratchet.recipe.training.checkpoints import CheckpointsConfig
from ratchet.recipe.training.curriculum import CurriculumConfig
from ratchet.recipe.training.names import check_loss_names, check_schedule
from ratchet.recipe.training.numbers import Finite, check_losses
from ratchet.recipe.training.parameters import LoraConfig, ParametersConfig
from ratchet.recipe.training.preference import DEFAULT_WEIGHTS, REFERENCE_FREE, PictureTermsConfig
from ratchet.recipe.training.reading import check_read
from ratchet.recipe.training.reinforcement import ReinforcementConfig

Method = Literal["sft", "dpo", "kto", "grpo", "rloo"]
RL: tuple[Method, ...] = ("grpo", "rloo")
"""Methods whose policy makes its own completions as it learns."""
LOSSES: dict[Method, tuple[str, ...]] = {
    "sft": (),
    "dpo": ("sigmoid", "sft"),
    "kto": ("kto",),
    "grpo": ("dapo",),
    "rloo": (),
}
"""Losses where the recipe names none."""


class TrainConfig(Finite):
    """How the model learns. Only what recipes vary is here; `trl` passes through to TRL's own configuration."""

    method: Method = "sft"
    start: Literal["seed", "base"] = Field(
        "seed",
        description="seed: go on from the round's seed (M-STAR); base: again from the loop's first seed (ReST-EM, STaR)",
    )
    prompt: Literal["stored", "shown"] = Field(
        "stored",
        description="SFT: the short prompt, or what the model was really shown (STIC's description-infused tuning)",
    )
    epochs: float = Field(3.0, gt=0)
    max_steps: int | None = Field(None, gt=0, description="overrides epochs")
    batch_size: int = Field(32, gt=0, description="rows a step; for grpo and rloo completions")
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Annotated[str, AfterValidator(check_schedule)] = "linear"
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    lora: LoraConfig | None = None
    parameters: ParametersConfig = ParametersConfig()
    beta: float | None = Field(
        None, gt=0, description="DPO, KTO: strength of the anchor to the reference model; null: 0.1"
    )
    loss: tuple[str, ...] | None = Field(
        None, description="TRL's loss types; DPO also simpo and stic; null: the method's own"
    )
    loss_weights: tuple[float, ...] | None = Field(
        None, description="DPO: one weight a loss; null: 1 each, and 1/1024 for stic"
    )
    simpo_gamma: float | None = Field(
        None,
        ge=0,
        description="DPO with loss simpo: the margin, in the units of beta times nats a token; null: beta / 2",
    )
    pictures: PictureTermsConfig | None = Field(None, description="DPO: terms in which the picture differs; null: none")
    rl: ReinforcementConfig | None = Field(None, description="GRPO, RLOO; null: their defaults")
    curriculum: CurriculumConfig | None = None
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    trl: dict[str, Any] = Field(default_factory=dict, description="further fields of TRL's configuration")

    @field_validator("loss", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _of_the_method(self) -> TrainConfig:
        """What another method reads is a mistake, not something to be passed over."""
        check_read(self)
        check_loss_names(self)
        check_losses(self)
        if self.loss_weights is not None and len(self.loss_weights) != len(self.losses):
            raise ValueError(
                f"train.loss_weights has {len(self.loss_weights)} values for {len(self.losses)} losses; give one weight a loss"
            )
        if self.pictures is not None and self.method != "dpo":
            raise ValueError(
                f"train.pictures are terms of dpo, but train.method is {self.method}; remove them, or use dpo"
            )
        if self.simpo_gamma is not None and "simpo" not in self.losses:
            raise ValueError(
                f"train.simpo_gamma is read by the loss simpo, but train.loss is {', '.join(self.losses)}; add it, or remove simpo_gamma"
            )
        if self.rl is not None and self.method not in RL:
            raise ValueError(f"train.rl is read by {' and '.join(RL)}, but train.method is {self.method}; remove it")
        if self.method in RL and self.batch_size % self.reinforcement.k:
            raise ValueError(
                f"train.batch_size {self.batch_size} is no multiple of train.rl.k {self.reinforcement.k}; it counts completions, "
                "and groups are not split"
            )
        if self.prompt == "shown" and self.method != "sft":
            raise ValueError(f"train.prompt shown is for sft, but train.method is {self.method}; remove it")
        return self

    @model_validator(mode="after")
    def _one_order(self) -> TrainConfig:
        if self.curriculum is not None and "train_sampling_strategy" in self.trl:
            raise ValueError(
                "train.curriculum and train.trl.train_sampling_strategy both say in which order rows come; remove one"
            )
        return self

    @property
    def anchor(self) -> float:
        """`beta`, TRL's default where the recipe names none."""
        return 0.1 if self.beta is None else self.beta

    @property
    def losses(self) -> tuple[str, ...]:
        """The losses, the method's own where the recipe names none."""
        return LOSSES[self.method] if self.loss is None else self.loss

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each loss."""
        return self.loss_weights or tuple(DEFAULT_WEIGHTS.get(name, 1.0) for name in self.losses)

    @property
    def needs_reference(self) -> bool:
        """DPO: whether anything in the loss compares with the reference model."""
        return bool(set(self.losses) - REFERENCE_FREE) or (self.pictures is not None and self.pictures.needs_reference)

    @property
    def reinforcement(self) -> ReinforcementConfig:
        return self.rl or ReinforcementConfig()
