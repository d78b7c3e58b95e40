"""REINFORCE with a leave-one-out baseline (Ahmadian et al. 2024, arXiv 2402.14740), with TRL's RLOOTrainer.

Advantage of completion i of k: r_i - (sum of the others' rewards) / (k - 1); the divergence is a part of the reward.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ratchet.recipe import TrainConfig
from ratchet.train import options
from ratchet.train.job import Job
from ratchet.train.report import TrainReport
from ratchet.train.rl import online
from ratchet.train.rl.active import Active
from ratchet.train.rl.rollouts import ReadOnce
from ratchet.train.rl.theirs import RLOOConfig, RLOOTrainer


class Rloo(Active, ReadOnce, RLOOTrainer):  # type: ignore[misc]
    """TRL's trainer that reads each prompt once, and trains on what differs."""

    with_logprobs = False


def arguments(config: TrainConfig, folder: Path, seed: int) -> RLOOConfig:
    """TRL's configuration. Raises RecipeError, also for options that RLOO has no place for."""
    rl = config.reinforcement
    online.refuse(
        rl.scale == "group",
        "train.rl.scale group is GRPO's; RLOO divides by nothing (none) or by the batch's deviation (batch).",
    )
    extra: dict[str, tuple[str, Any]] = {
        **online.options_of(config),
        "normalize_advantages": ("train.rl.scale", rl.scale == "batch"),
    }
    return options.build(RLOOConfig, config, folder, seed, extra)


def train(job: Job) -> TrainReport:
    """See `ratchet.train.job.Trainer`. The rows have the columns images, prompt and asked."""
    return online.train(job, arguments, Rloo)
