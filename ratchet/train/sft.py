"""Supervised fine-tuning on verified completions, with TRL's SFTTrainer: full weights or LoRA."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets import Dataset
from transformers import PrinterCallback
from trl import SFTConfig, SFTTrainer

from ratchet.progress import Progress, silent
from ratchet.recipe import TrainConfig
from ratchet.train import checks, options, weights
from ratchet.train.report import TrainReport
from ratchet.train.watch import Watch, quiet, told


def arguments(config: TrainConfig, folder: Path, seed: int) -> SFTConfig:
    """TRL's configuration, whose loss is over the completion alone. Raises RecipeError."""
    return options.build(SFTConfig, config, folder, seed)


def train(
    config: TrainConfig, seed_dir: Path, rows: Dataset, out_dir: Path, *, seed: int, progress: Progress = silent
) -> TrainReport:
    """See `ratchet.train.methods.Trainer`. `rows` has the columns images, prompt and completion."""
    start = time.perf_counter()
    with TemporaryDirectory(prefix="ratchet-sft-") as scratch, quiet():
        settings = arguments(config, Path(scratch), seed)
        checks.check_rows(rows, ("prompt", "completion"))
        model, processor = weights.load(seed_dir, config, settings)
        checks.check_rendering(rows, processor, ("prompt", "completion"))
        watch = Watch(config, progress)
        with told(config):
            trainer = SFTTrainer(
                model=model,
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
