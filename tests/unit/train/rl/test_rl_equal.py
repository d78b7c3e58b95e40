"""Our trainers against TRL's own on the same completions: the same loss and gradients, however few rows are passed.

Tolerances are of float32 sums in another order: 1e-5 of the loss, and of the largest gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ratchet.recipe import TrainConfig
from ratchet.recipe.training.names import GRPO_LOSSES
from ratchet.records import Prompt
from ratchet.train import Job, weights
from ratchet.train.rl import grpo, online, rloo
from ratchet.train.rl.theirs import GRPOTrainer, RLOOTrainer
from tests.unit.train.rl.conftest import Scores, rewards

JobOf = Callable[..., Job]
METHODS = {"grpo": (grpo.arguments, grpo.Grpo, GRPOTrainer), "rloo": (rloo.arguments, rloo.Rloo, RLOOTrainer)}
NAMES = [*GRPO_LOSSES, "rloo"]
DISTINCT = ["3 circle", "5", "7 square .", "1 .", "2 .", "9 circles .", "4", "6 square"]
ALIKE = ["3 circle", "3 circle", "5", "3 circle", "9 circles .", "2", "2", "2"]
NO_VARIANCE = ["3 circle", "5", "5", "1 .", "4", "4 square", "4 .", "4 circle ."]
"""Answers to two prompts, four of each. Their first word is what they earn, in tenths."""


class Told:
    """Says what a test wrote, in place of what the policy would."""

    said: list[list[int]]

    def _generate_single_turn(self, prompt_ids: Any, *_: Any, **__: Any) -> Any:
        made = [list(ids) for ids in self.said[: len(prompt_ids)]]
        return (made, None) if isinstance(self, GRPOTrainer) else made


def tenths(_prompt: Prompt, text: str) -> float:
    return int(text.split()[0]) / 10


def config(name: str, **changes: Any) -> TrainConfig:
    """Two passes over each batch, so that the policy has left the one that spoke."""
    rl = {"k": 4, "max_new_tokens": 4, "iterations": 2, **changes.pop("rl", {})}
    rl |= {"clip_high": 1.05} if name == "cispo" else {}
    loss = {} if name == "rloo" else {"loss": name}
    given = {"max_steps": 2, "batch_size": 8, "method": "rloo" if name == "rloo" else "grpo", **loss, **changes}
    return TrainConfig.model_validate({**given, "rl": rl})


def stepped(kind: str, given: TrainConfig, job: Job, answers: list[str], folder: Path) -> tuple[float, Any, int]:
    """Loss, gradients and passed rows of the second pass over these answers, by our class or TRL's."""
    arguments, ours, theirs = METHODS[given.method]
    settings = arguments(given, folder, 0)
    model, processor = weights.load(job.seed_dir, given, settings)
    common = {"args": settings, "train_dataset": job.rows, "processing_class": processor, "peft_config": None}
    cls = type("Trainer", (Told, ours if kind == "ours" else theirs), {})
    trainer: Any = online.made(cls, job, model, processor, {**common, "callbacks": []})
    end = processor.tokenizer.eos_token_id
    trainer.said = [[*processor.tokenizer(one, add_special_tokens=False)["input_ids"], end] for one in answers]
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    rows = [row for row in list(job.rows)[: len(answers) // 4] for _ in range(4)]
    batch = trainer._generate_and_score_completions(rows)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    passed: list[int] = []
    trainer.model.register_forward_hook(lambda _module, _given, found: passed.append(len(found.log_probs)))
    loss = trainer._compute_loss(trainer.model, batch)
    loss.backward()
    return loss.item(), {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}, sum(passed)


def assert_same(ours: tuple[float, Any, int], theirs: tuple[float, Any, int]) -> None:
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5, abs=1e-5)
    assert ours[1].keys() == theirs[1].keys()
    largest = max(float(grad.abs().max()) for grad in theirs[1].values())
    assert largest > 1e-3
    for name, grad in theirs[1].items():
        assert float((ours[1][name] - grad).abs().max()) <= 1e-5 * largest, name


@pytest.mark.parametrize("name", NAMES)
def test_where_all_differs_the_loss_is_trls_own(name: str, job_of: JobOf, tmp_path: Path) -> None:
    given = config(name)
    job = job_of(given, rewards(Scores("a", tenths)), n=2)
    ours, theirs = (stepped(kind, given, job, DISTINCT, tmp_path) for kind in ("ours", "theirs"))
    assert ours[2] == theirs[2] == 8
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_answers_that_are_alike_are_passed_once_for_the_same_loss(name: str, job_of: JobOf, tmp_path: Path) -> None:
    given = config(name)
    job = job_of(given, rewards(Scores("a", tenths)), n=2)
    ours, theirs = (stepped(kind, given, job, ALIKE, tmp_path) for kind in ("ours", "theirs"))
    assert (ours[2], theirs[2]) == (4, 8)
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_without_variance_is_as_if_it_had_not_been_drawn(name: str, job_of: JobOf, tmp_path: Path) -> None:
    given, alone = config(name), config(name, batch_size=4)
    job = job_of(given, rewards(Scores("a", tenths)), n=2)
    ours = stepped("ours", given, job, NO_VARIANCE, tmp_path)
    theirs = stepped("theirs", alone, job, NO_VARIANCE[:4], tmp_path)
    assert (ours[2], theirs[2]) == (3, 4)
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", ["grpo", "dapo", "rloo"])
@pytest.mark.parametrize(
    "rl",
    [
        {"kl": {"coefficient": 0.1}},
        {"scale": "batch"},
        {"mask_clipped": True, "max_new_tokens": 3},
        {"drop_zero_variance": False},
    ],
    ids=["kl", "batch-scale", "mask-clipped", "keep-all"],
)
def test_with_other_options_too(name: str, rl: dict[str, Any], job_of: JobOf, tmp_path: Path) -> None:
    given = config(name, rl=rl)
    job = job_of(given, rewards(Scores("a", tenths)), n=2)
    answers = NO_VARIANCE if "drop_zero_variance" in rl else ALIKE
    ours, theirs = (stepped(kind, given, job, answers, tmp_path) for kind in ("ours", "theirs"))
    assert_same(ours, theirs)
