"""Preference learning on pairs, with TRL's DPOTrainer: any of its losses or a weighted list, full weights or LoRA.

The reference model is the seed: a frozen copy, or with LoRA the model without its adapter.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets import Dataset
from transformers import PrinterCallback
from trl import DPOConfig, DPOTrainer

from ratchet.errors import RecipeError
from ratchet.progress import Progress, silent
from ratchet.recipe import TrainConfig
from ratchet.train import checks, options, weights
from ratchet.train.report import TrainReport
from ratchet.train.watch import Watch, quiet, told

# TRL finds out about a wrong name at the first step only.
LOSSES = (
    *("sigmoid", "sigmoid_norm", "sft", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard"),
    *("aot", "aot_unpaired", "apo_zero", "apo_down", "discopop"),
)


def arguments(config: TrainConfig, folder: Path, seed: int) -> DPOConfig:
    """TRL's configuration. Raises RecipeError, also for a loss that TRL does not have."""
    wrong = [loss for loss in config.loss if loss not in LOSSES]
    if wrong or not config.loss:
        raise RecipeError(
            f"train.loss {list(config.loss)}: {wrong or 'nothing'} is no DPO loss; use one or more of {', '.join(LOSSES)}."
        )
    extra = {
        "beta": ("train.beta", config.beta),
        "loss_type": ("train.loss", list(config.loss)),
        "loss_weights": ("train.loss_weights", list(config.loss_weights) if config.loss_weights else None),
    }
    return options.build(DPOConfig, config, folder, seed, extra)


def train(
    config: TrainConfig, seed_dir: Path, rows: Dataset, out_dir: Path, *, seed: int, progress: Progress = silent
) -> TrainReport:
    """See `ratchet.train.methods.Trainer`. `rows` has the columns images, prompt, chosen and rejected."""
    start = time.perf_counter()
    with TemporaryDirectory(prefix="ratchet-dpo-") as scratch, quiet():
        settings = arguments(config, Path(scratch), seed)
        checks.check_rows(rows, ("prompt", "chosen", "rejected"))
        model, processor = weights.load(seed_dir, config, settings)
        checks.check_rendering(rows, processor, ("prompt", "chosen", "rejected"))
        watch = Watch(config, progress)
        with told(config):
            trainer = DPOTrainer(
                model=model,
                ref_model=None if config.lora else copy.deepcopy(model),
                args=settings,
                train_dataset=rows,
                processing_class=processor,
                peft_config=weights.adapter(config),
                callbacks=[watch],
            )
            trainer.remove_callback(PrinterCallback)
            sizes = weights.sizes(trainer.model)
            loop_start = time.perf_counter()
            trainer.train()
            loop_seconds = time.perf_counter() - loop_start
        weights.save(trainer.model, seed_dir, out_dir)
    return weights.report(
        config, settings, len(rows), watch.log, sizes, seconds=time.perf_counter() - start, loop_seconds=loop_seconds
    )
