"""Group relative policy optimisation with TRL's GRPOTrainer: all of its losses by name.

The reference of the divergence is the seed: loaded once more, or with LoRA the model without its adapter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ratchet.recipe import TrainConfig
from ratchet.recipe.training.reading import UNCLIPPED
from ratchet.train import options
from ratchet.train.job import Job
from ratchet.train.report import TrainReport
from ratchet.train.rl import online
from ratchet.train.rl.active import Active
from ratchet.train.rl.rollouts import ReadOnce
from ratchet.train.rl.theirs import GRPOConfig, GRPOTrainer


class Grpo(Active, ReadOnce, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer that reads each prompt once, and trains on what differs."""


def arguments(config: TrainConfig, folder: Path, seed: int) -> GRPOConfig:
    """TRL's configuration. Raises RecipeError, also for a loss that does not read what is set."""
    rl = config.reinforcement
    _check(config)
    (loss,) = config.losses
    extra: dict[str, tuple[str, Any]] = {
        **online.options_of(config),
        "loss_type": ("train.loss", loss),
        "scale_rewards": ("train.rl.scale", rl.scale or "group"),
    }
    if loss == "luspo":
        # As in the paper; TRL's default would broadcast each token's loss over its sequence.
        extra["importance_sampling_level"] = ("train.loss", "sequence")
    return options.build(GRPOConfig, config, folder, seed, extra)


def train(job: Job) -> TrainReport:
    """See `ratchet.train.job.Trainer`. The rows have the columns images, prompt and asked."""
    return online.train(job, arguments, Grpo)


def _check(config: TrainConfig) -> None:
    rl, losses = config.reinforcement, config.losses
    online.refuse(
        losses[0] == "cispo" and rl.clip_high is None,
        "train.loss cispo reads train.rl.clip_high as the largest ratio itself, not as a distance from 1; set it (MiniMax-M1: 5).",
    )
    online.refuse(
        losses[0] in UNCLIPPED and rl.clip_high is not None,
        f"train.loss {losses[0]} clips nothing; remove train.rl.clip_high.",
    )
