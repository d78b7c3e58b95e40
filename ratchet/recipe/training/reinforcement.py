"""Reinforcement learning from verifiers."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from ratchet.recipe.training.numbers import Finite


class KlConfig(Finite):
    """The price of leaving the reference model, per nat. With a target it adapts (Ziegler et al. 2019, arXiv 1909.08593)."""

    coefficient: float = Field(0.0, ge=0)
    target: float | None = Field(
        None, gt=0, description="nats per completion that the coefficient is steered to; null: fixed"
    )
    horizon: int | None = Field(None, gt=0, description="completions over which a target takes effect; null: 1000")

    @model_validator(mode="after")
    def _starts_above_zero(self) -> KlConfig:
        if self.target is not None and self.coefficient == 0:
            raise ValueError("train.rl.kl.target steers the coefficient by factors; set kl.coefficient above 0")
        if self.horizon is not None and self.target is None:
            raise ValueError(
                f"train.rl.kl.horizon {self.horizon} does nothing without a target; set kl.target, or remove it"
            )
        return self

    @property
    def steered_over(self) -> int:
        """`horizon`, that of Ziegler et al. where the recipe names none, to a round number."""
        return 1000 if self.horizon is None else self.horizon


class LengthStage(Finite):
    """From `start` (share of the steps) on, completions may have so many tokens."""

    start: float = Field(ge=0, lt=1)
    max_new_tokens: int = Field(gt=0)


class ReinforcementConfig(Finite):
    """GRPO and RLOO: groups of k completions that the policy makes as it learns, rewarded by the round's verifiers."""

    k: int = Field(
        8, ge=2, description="completions a prompt; train.batch_size counts completions and must be a multiple of it"
    )
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_new_tokens: int | None = Field(None, gt=0, description="null: generate.max_new_tokens")
    lengths: tuple[LengthStage, ...] = Field(
        (), description="PTST (Vision-R1): other lengths as training goes on, in place of max_new_tokens"
    )
    rewards: dict[str, float] | None = Field(
        None,
        description="weight by verifier, as verdicts call it (such as {prompt: .9, format: .1}); null: verify's own policy",
    )
    scale: Literal["group", "batch", "none"] | None = Field(
        None,
        description="what advantages are divided by; none: Dr. GRPO; null: the method's own (grpo group, rloo none)",
    )
    clip_low: float | None = Field(
        None, gt=0, lt=1, description="null: .2; losses that clip from above alone or not at all do not read it"
    )
    clip_high: float | None = Field(
        None, gt=0, description="null: as clip_low; DAPO: .28; for the loss cispo the largest ratio itself, such as 5"
    )
    iterations: int = Field(1, ge=1, description="optimiser passes over each batch of completions")
    drop_zero_variance: bool = Field(
        True,
        description="what the policy's loss is divided by leaves out groups whose rewards are all alike (DAPO); the deviation of "
        "scale batch, and RLOO with a divergence, count them",
    )
    mask_clipped: bool = Field(False, description="completions cut at max_new_tokens do not count")
    kl: KlConfig = KlConfig()
    sft_weight: float = Field(0.0, ge=0, description="weight of a supervised term on the policy's own right answers")
    rollouts: Literal["auto", "model", "colocate", "server"] = Field(
        "auto",
        description="who makes completions: the model itself, vLLM in this process, a vLLM server (train.trl.vllm_server_*); "
        "auto: colocate on a GPU, model on a CPU",
    )

    @model_validator(mode="after")
    def _stages_in_order(self) -> ReinforcementConfig:
        starts = [stage.start for stage in self.lengths]
        if starts and starts[0] != 0:
            raise ValueError(f"train.rl.lengths begin at {starts[0]:g} of the steps; let the first stage start at 0")
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError(
                f"train.rl.lengths start at {starts}; put the stages in order, each later than the one before"
            )
        if starts and self.max_new_tokens is not None:
            raise ValueError(
                "train.rl.max_new_tokens and train.rl.lengths both say how long completions may be; remove one"
            )
        if self.rewards is not None and not any(weight > 0 for weight in self.rewards.values()):
            raise ValueError("train.rl.rewards needs at least one weight above 0; remove it for verify's own policy")
        return self

    @property
    def lower(self) -> float:
        """`clip_low`, TRL's default where the recipe names none."""
        return 0.2 if self.clip_low is None else self.clip_low

    @property
    def longest(self) -> int | None:
        """Most tokens of a completion in any stage; None: generate.max_new_tokens."""
        return max((stage.max_new_tokens for stage in self.lengths), default=self.max_new_tokens)
