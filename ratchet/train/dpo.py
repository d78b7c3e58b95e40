"""Preference learning on pairs: any of TRL's DPO losses or a weighted list, SimPO, STIC's regulariser, and terms of the picture.

    sigmoid                                DPO (Rafailov et al. 2023, arXiv 2305.18290)
    sigmoid .8, bco_pair .2, sft 1         MPO (Wang et al. 2024, arXiv 2411.10442): preference, quality, generation
                                           (simplified: TRL's bco_pair lacks the paper's shift, -log sigma(+-(beta r - delta)) with
                                           delta the running mean of beta r; TRL's sft is a mean over a batch's tokens, there per answer)
    ipo                                    IPO (Azar et al. 2023, arXiv 2310.12036), length-normalised as TRL has it
    simpo                                  SimPO (Meng et al. 2024, arXiv 2405.14734), no reference model in memory
    sigmoid 1, stic 1/1024                 STIC (Deng et al. 2024, arXiv 2405.19716)

The reference model is the seed: a frozen copy, with LoRA the model without its adapter, and none where no loss asks for one.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from trl import DPOConfig, DPOTrainer

from ratchet.errors import RecipeError
from ratchet.recipe import TrainConfig
from ratchet.recipe.training.preference import OWN_LOSSES, TRL_LOSSES
from ratchet.train import options, session
from ratchet.train.job import Job
from ratchet.train.preference.collating import PictureCollator
from ratchet.train.preference.trainer import PreferenceTrainer, Uniform
from ratchet.train.report import TrainReport
from ratchet.train.together import world

TEXTS = ("prompt", "chosen", "rejected")
# TRL finds out once the model is loaded.
_DIVERGING = frozenset({"sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"})


def arguments(config: TrainConfig, folder: Path, seed: int) -> DPOConfig:
    """TRL's configuration. Raises RecipeError, also for losses that do not go together."""
    _check_alike(config)
    theirs = [(name, weight) for name, weight in zip(config.losses, config.weights, strict=True) if name in TRL_LOSSES]
    extra = {
        "beta": ("train.beta", config.anchor),
        "loss_type": ("train.loss", [name for name, _ in theirs]),
        "loss_weights": ("train.loss_weights", [weight for _, weight in theirs]),
    }
    made = options.build(DPOConfig, config, folder, seed, extra)
    # Columns of other pictures are none that TRL knows.
    made.remove_unused_columns = False
    _check_together(config, made)
    return made


def train(job: Job) -> TrainReport:
    """See `ratchet.train.job.Trainer`. The rows have the columns that `ratchet.train.preference.rows` makes."""
    return session.run(job, arguments, TEXTS, _trainer)


def _trainer(job: Job, model: Any, processor: Any, common: dict[str, Any]) -> DPOTrainer:
    config = job.config
    referred = config.needs_reference
    reference = _reference(model, config) if referred else Uniform(model.config)
    plain = config.pictures is None and not set(config.losses) & set(OWN_LOSSES)
    if referred and plain and "rejected_images" not in job.rows.column_names:
        return DPOTrainer(model=model, ref_model=reference, **common)
    collator = PictureCollator(processor, clean=config.pictures is not None and bool(config.pictures.noised))
    return PreferenceTrainer(config=config, model=model, ref_model=reference, data_collator=collator, **common)


def _reference(model: Any, config: TrainConfig) -> Any:
    """A frozen copy; None with adapters, where the model without them is the reference."""
    return None if config.lora else copy.deepcopy(model)


def _check_together(config: TrainConfig, made: DPOConfig) -> None:
    if "exo_pair" in config.losses and made.label_smoothing == 0:
        raise RecipeError(
            "train.loss exo_pair needs label smoothing above 0; set train.trl.label_smoothing, such as 1.0e-3."
        )
    if "robust" in config.losses and not 0 <= made.label_smoothing < 0.5:
        raise RecipeError(
            f"train.trl.label_smoothing {made.label_smoothing:g}: the loss robust divides by 1 - 2 x label_smoothing, the share of "
            "labels that are right beyond chance; give 0 or more, below .5."
        )
    alone = [loss for loss in config.losses if loss not in _DIVERGING]
    if made.f_divergence_type != "reverse_kl" and alone:
        raise RecipeError(
            f"train.trl.f_divergence_type {made.f_divergence_type} is not defined for the losses {', '.join(alone)}; "
            f"use it with {', '.join(sorted(_DIVERGING))}, or leave it out."
        )


def _check_alike(config: TrainConfig) -> None:
    """All processes must go forward alike where each has a part of the model."""
    place = world()
    if place.size > 1 and place.strategy == "fsdp" and config.pictures is not None and config.pictures.reads_more:
        raise RecipeError(
            "train.pictures asks the model again for rows that have another picture or a caption, and under fsdp a process without "
            "such rows would leave the others waiting; set launcher.strategy to ddp, or remove train.pictures."
        )
