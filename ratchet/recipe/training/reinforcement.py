"""Reinforcement learning from verifiers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record


class KlConfig(Record):
    """The price of leaving the reference model, per nat. With a target it adapts (Ziegler et al. 2019, arXiv 1909.08593)."""

    coefficient: float = Field(0.0, ge=0)
    target: float | None = Field(
        None, gt=0, description="nats per completion that the coefficient is steered to; null: fixed"
    )
    horizon: int = Field(1000, gt=0, description="completions over which the steering takes effect")


class LengthStage(Record):
    """From `start` (share of the steps) on, completions may have so many tokens."""

    start: float = Field(ge=0, lt=1)
    max_new_tokens: int = Field(gt=0)


class ReinforcementConfig(Record):
    """GRPO and RLOO: groups of k completions that the policy makes as it learns, rewarded by the round's verifiers."""

    k: int = Field(
        8, ge=2, description="completions a prompt; train.batch_size counts completions and must be a multiple of it"
    )
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_new_tokens: int | None = Field(None, gt=0, description="null: generate.max_new_tokens")
    lengths: tuple[LengthStage, ...] = Field((), description="PTST (Vision-R1): longer completions as training goes on")
    rewards: dict[str, float] | None = Field(
        None,
        description="weight by verifier, as verdicts call it (such as {own: .9, format: .1}); null: verify's own policy",
    )
    scale: Literal["group", "batch", "none"] = Field(
        "group", description="what advantages are divided by; none: Dr. GRPO"
    )
    clip_low: float = Field(0.2, gt=0)
    clip_high: float | None = Field(None, gt=0, description="null: as clip_low; DAPO: .28")
    iterations: int = Field(1, ge=1, description="optimiser passes over each batch of completions")
    drop_zero_variance: bool = Field(True, description="groups whose rewards are all alike do not count (DAPO)")
    mask_clipped: bool = Field(False, description="completions cut at max_new_tokens do not count")
    kl: KlConfig = KlConfig()
    sft_weight: float = Field(0.0, ge=0, description="weight of a supervised term on the group's kept answers")
    rollouts: Literal["auto", "model", "colocate", "server"] = Field(
        "auto",
        description="who makes completions: the model itself, vLLM in this process, a vLLM server; auto: colocate on a GPU, model on a CPU",
    )
