"""Preference learning without ratchet: TRL's DPOTrainer as one writes it by hand, as well tuned as ours.

python -m bench.bare_dpo MODEL_FOLDER [--rows 1024] [--epochs 1]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import DPOConfig, DPOTrainer

CPU = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "dataloader_pin_memory": False}


def prepare(folder: str | Path, rows: Dataset, out: str, epochs: float, batch: int, rate: float) -> Any:
    """A trainer that is ready for `train()`. Rows have the columns images, prompt, chosen and rejected."""
    settings = DPOConfig(
        output_dir=out,
        num_train_epochs=epochs,
        per_device_train_batch_size=batch,
        learning_rate=rate,
        warmup_steps=0.03,
        loss_type=["sigmoid", "sft"],
        max_length=None,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        seed=1,
        **({} if torch.cuda.is_available() else CPU),
    )
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    return DPOTrainer(
        model=model, args=settings, train_dataset=rows, processing_class=AutoProcessor.from_pretrained(folder)
    )


if __name__ == "__main__":
    from bench.train import dpo_rows

    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--rows", type=int, default=1024)
    arguments.add_argument("--epochs", type=float, default=1)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        trainer = prepare(given.folder, dpo_rows(given.rows), place, given.epochs, 32, 5e-4)
        start = time.perf_counter()
        trainer.train()
        print(f"{trainer.state.global_step / (time.perf_counter() - start):.2f} steps/s")
        trainer.save_model(f"{place}/model")
