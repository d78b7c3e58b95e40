"""Supervised fine-tuning on verified completions, with TRL's SFTTrainer: full weights or LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trl import SFTConfig, SFTTrainer

from ratchet.recipe import TrainConfig
from ratchet.train import options, session
from ratchet.train.job import Job
from ratchet.train.report import TrainReport

TEXTS = ("prompt", "completion")


def arguments(config: TrainConfig, folder: Path, seed: int) -> SFTConfig:
    """TRL's configuration, whose loss is over the completion alone. Raises RecipeError."""
    return options.build(SFTConfig, config, folder, seed)


def train(job: Job) -> TrainReport:
    """See `ratchet.train.job.Trainer`. The rows have the columns images, prompt and completion."""
    return session.run(job, arguments, TEXTS, _trainer)


def _trainer(_job: Job, model: Any, _processor: Any, common: dict[str, Any]) -> SFTTrainer:
    return SFTTrainer(model=model, **common)
