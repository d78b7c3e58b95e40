"""Reinforcement learning without ratchet: TRL's GRPOTrainer as one writes it by hand, as well tuned as ours.

python -m bench.bare_grpo MODEL_FOLDER
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
from trl import GRPOConfig, GRPOTrainer

CPU = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "dataloader_pin_memory": False}
K, NEW_TOKENS = 8, 14


def right(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
    """1 for the very answer."""
    return [float(said[0]["content"].split() == one.split()) for said, one in zip(completions, answer, strict=True)]


def prepare(folder: str | Path, rows: Dataset, out: str, epochs: float, batch: int, rate: float) -> Any:
    """A trainer that is ready for `train()`. Rows have the columns images, prompt and answer; `batch` counts completions."""
    settings = GRPOConfig(
        output_dir=out,
        num_train_epochs=epochs,
        per_device_train_batch_size=batch,
        num_generations=K,
        max_completion_length=NEW_TOKENS,
        learning_rate=rate,
        warmup_steps=0.03,
        beta=0.0,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        seed=1,
        **({} if torch.cuda.is_available() else CPU),
    )
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    return GRPOTrainer(model, right, settings, rows, processing_class=AutoProcessor.from_pretrained(folder))


if __name__ == "__main__":
    from bench.train import bare_rows

    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    with tempfile.TemporaryDirectory() as place:
        trainer = prepare(arguments.parse_args().folder, bare_rows(64, "grpo"), place, 1, 64, 1e-4)
        start = time.perf_counter()
        trainer.train()
        print(f"{trainer.state.global_step / (time.perf_counter() - start):.2f} steps/s")
