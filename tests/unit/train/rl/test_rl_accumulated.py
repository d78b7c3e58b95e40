"""A batch in parts, whose gradients add up, against the batch at once, on the same completions: the same two updates.

bnpo is not among them: it divides by the tokens of the part, as TRL's does. The tolerance is of float32 sums in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ratchet.train import Job, weights
from ratchet.train.rl import online
from tests.unit.train.rl.conftest import Scores, rewards
from tests.unit.train.rl.test_rl_equal import METHODS, Told, config, tenths

JobOf = Callable[..., Job]
UNEVEN = ["3 circle", "3 circle", "5 .", "3 circle", "9 circles .", "2 .", "6", "2"]
"""Answers to two prompts, four of each, of one to three tokens, some of them alike. Their first word is what they earn, in tenths."""
WITH_SFT: dict[str, Any] = {"sft_weight": 0.5}
WITH_KL: dict[str, Any] = {"kl": {"coefficient": 0.5}}
OFTEN = [("grpo", WITH_SFT)]
CASES = [("dapo", {}), ("rloo", WITH_SFT), ("dr_grpo", {}), ("luspo", {}), ("grpo", WITH_KL)]
"""One for each way in which a loss is divided."""


def update(name: str, rl: dict[str, Any], parts: int, job_of: JobOf, folder: Path) -> dict[str, torch.Tensor]:
    """What two steps of plain gradient descent add to each weight, by batches in so many parts."""
    plain = {"optim": "sgd", "gradient_accumulation_steps": parts, "max_grad_norm": 0.0}
    given = config(name, rl=rl, batch_size=8 // parts, learning_rate=0.5, trl=plain)
    job = job_of(given, rewards(Scores("a", tenths)), n=2)
    arguments, ours, _ = METHODS[given.method]
    settings = arguments(given, folder, 0)
    model, processor = weights.load(job.seed_dir, given, settings)
    common = {"args": settings, "train_dataset": job.rows, "processing_class": processor, "peft_config": None}
    trainer: Any = online.made(type("Trainer", (Told, ours), {}), job, model, processor, {**common, "callbacks": []})
    end = processor.tokenizer.eos_token_id
    trainer.said = [[*processor.tokenizer(one, add_special_tokens=False)["input_ids"], end] for one in UNEVEN]
    before = {key: value.detach().clone() for key, value in trainer.model.named_parameters()}
    trainer.train()
    assert trainer.state.global_step == 2
    return {key: value.detach() - before[key] for key, value in trainer.model.named_parameters()}


@pytest.mark.parametrize(
    ("name", "rl"), [*OFTEN, *(pytest.param(name, rl, marks=pytest.mark.slow) for name, rl in CASES)]
)
def test_a_batch_in_parts_gives_the_update_of_the_whole(
    name: str, rl: dict[str, Any], job_of: JobOf, tmp_path: Path
) -> None:
    whole = update(name, rl, 1, job_of, tmp_path / "whole")
    parts = update(name, rl, 2, job_of, tmp_path / "parts")
    largest = max(float(value.abs().max()) for value in whole.values())
    assert largest > 1e-3
    for key, value in whole.items():
        assert float((parts[key] - value).abs().max()) <= 1e-4 * largest, key
