"""Preference learning on pairs, with TRL's DPOTrainer: any of its losses or a weighted list, full weights or LoRA.

The reference model is the seed: a frozen copy, or with LoRA the model without its adapter.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from trl import DPOConfig, DPOTrainer

from ratchet.errors import RecipeError
from ratchet.recipe import TrainConfig
from ratchet.train import options, session
from ratchet.train.job import Job
from ratchet.train.report import TrainReport

TEXTS = ("prompt", "chosen", "rejected")
# TRL finds out about a wrong name at the first step only.
LOSSES = (
    *("sigmoid", "sigmoid_norm", "sft", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard"),
    *("aot", "aot_unpaired", "apo_zero", "apo_down", "discopop"),
)


def arguments(config: TrainConfig, folder: Path, seed: int) -> DPOConfig:
    """TRL's configuration. Raises RecipeError, also for a loss that TRL does not have."""
    wrong = [loss for loss in config.losses if loss not in LOSSES]
    if wrong or not config.losses:
        raise RecipeError(
            f"train.loss {list(config.losses)}: {wrong or 'nothing'} is no DPO loss; use one or more of {', '.join(LOSSES)}."
        )
    extra = {
        "beta": ("train.beta", config.beta),
        "loss_type": ("train.loss", list(config.losses)),
        "loss_weights": ("train.loss_weights", list(config.loss_weights) if config.loss_weights else None),
    }
    return options.build(DPOConfig, config, folder, seed, extra)


def train(job: Job) -> TrainReport:
    """See `ratchet.train.job.Trainer`. The rows have the columns images, prompt, chosen and rejected."""
    return session.run(job, arguments, TEXTS, _trainer)


def _trainer(job: Job, model: Any, _processor: Any, common: dict[str, Any]) -> DPOTrainer:
    return DPOTrainer(model=model, ref_model=None if job.config.lora else copy.deepcopy(model), **common)
