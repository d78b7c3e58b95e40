"""The stage with checkpoints and looks: what it reads, what it leaves, and what the next try goes on from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from ratchet import models
from ratchet.artifacts import Artifact, ImageBank
from ratchet.errors import TrainError
from ratchet.evaluate import metrics
from ratchet.evaluate.measuring import measure
from ratchet.promptset import open_part
from ratchet.recipe import CheckpointsConfig, EvaluateConfig, TrainConfig
from ratchet.records import Group
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore
from ratchet.train import TRAIN_LOG
from ratchet.train.checkpoints import of_stage
from ratchet.train.policy import validation
from tests import tiny
from tests.unit.train.test_train_stage import context, round_store

__all__ = ["round_store"]
EVERY = CheckpointsConfig(every=1)
LOOKS = CheckpointsConfig(best="validation", validate_every=2, items=8)
PROMPTS = "p" * 64
EVALUATE = EvaluateConfig(max_new_tokens=4)


def chosen(store: FolderStore, groups: Sequence[Group], seed_dir: Any, config: TrainConfig) -> StageContext:
    """A round whose prompt set has a validation split, and looks that are short."""
    tiny.prompt_set(store, PROMPTS, validation=24, holdout=8)
    ready = context(store, groups[:24], seed_dir, config)
    recipe = ready.round.recipe.model_copy(update={"evaluate": EVALUATE})
    return context_of("train", store, ready.round.model_copy(update={"recipe": recipe}), ready.parents)


def broken(rate: float) -> TrainConfig:
    """The first step of the warm-up has rate 0, the second breaks the weights."""
    return TrainConfig(
        max_steps=8, batch_size=8, learning_rate=rate, warmup_ratio=0.5, trl={"max_grad_norm": 0.0}, checkpoints=EVERY
    )


def test_a_finished_stage_leaves_no_checkpoint(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Any
) -> None:
    ready = context(round_store, groups[:24], seed_dir, TrainConfig(max_steps=4, batch_size=8, checkpoints=EVERY))
    left = of_stage(ready).store
    left.put("step-00000009.json", b"of a try before")
    manifest = run_step(ready)
    assert list(left.list()) == []
    assert not [name for name in manifest.results["report"] if "checkpoints" in name or "resumed" in name]


def test_a_stage_that_was_killed_when_it_had_committed_removes_its_checkpoints_when_it_runs_again(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Any
) -> None:
    ready = context(round_store, groups[:24], seed_dir, TrainConfig(max_steps=2, batch_size=8))
    manifest = run_step(ready)
    of_stage(ready).store.put("step-00000001.json", b"of the try that was killed")
    assert run_step(ready) == manifest
    assert list(of_stage(ready).store.list()) == []


@pytest.mark.parametrize(("rate", "last"), [(1e30, 2), (1e39, 1)], ids=["loss breaks", "weights break"])
def test_a_loss_that_is_no_number_registers_nothing_and_keeps_the_last_good_checkpoint(
    rate: float,
    last: int,
    round_store: FolderStore,
    groups: Sequence[Group],
    seed_dir: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ready = context(round_store, groups[:24], seed_dir, broken(rate))
    with caplog.at_level(logging.INFO), pytest.raises(TrainError, match=r"the loss is nan at step 3 of 8"):
        run_step(ready)
    steps = of_stage(ready).steps()
    assert steps
    assert steps[-1] <= last
    assert {round_store.key(one.uri).split("/")[1] for one in round_store.list("models/")} == {"seed"}
    with caplog.at_level(logging.INFO), pytest.raises(TrainError, match=r"the loss is nan at step 3 of 8"):
        run_step(context(round_store, groups[:24], seed_dir, broken(rate)))
    assert f"goes on from the checkpoint of step {steps[-1]}" in caplog.text


def test_a_look_finds_what_the_evaluation_would(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Any
) -> None:
    checkpoints = CheckpointsConfig(best="validation", items=24)
    ready = chosen(round_store, groups, seed_dir, TrainConfig(checkpoints=checkpoints))
    model, processor = models.load(seed_dir)
    model.train()
    processor.tokenizer.padding_side = "right"
    before = torch.random.get_rng_state()
    found = validation(ready)(model, processor)
    part = open_part(round_store, ready.prompt_set(), "validation")
    bank = ImageBank(round_store, part.manifest.packs)
    outcomes = measure(round_store, seed_dir, list(part.rows()), bank, EVALUATE.model_copy(update={"pass_at_k": None}))
    assert found == metrics.accuracy(outcomes).accuracy
    assert (model.training, processor.tokenizer.padding_side) == (True, "right")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_looks_change_nothing_of_the_training_and_never_read_the_holdout(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Any
) -> None:
    plain = TrainConfig(max_steps=5, batch_size=8)
    ready = chosen(round_store, groups, seed_dir, plain.model_copy(update={"checkpoints": LOOKS}))
    for stat in list(round_store.list(round_store.key(ready.prompt_set().parts["holdout"]))):
        round_store.delete(round_store.key(stat.uri))
    manifest = run_step(ready)
    assert [look["step"] for look in manifest.results["report"]["looks"]] == [0, 2, 4, 5]
    unseen = run_step(context(round_store, groups[:24], seed_dir, plain))
    losses = [[row.loss for row in Artifact.open(round_store, m.uri, TRAIN_LOG).rows()] for m in (manifest, unseen)]
    assert losses[0] == losses[1]


def test_what_looks_read_is_part_of_the_stages_identity(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Any
) -> None:
    config = TrainConfig(max_steps=2, checkpoints=LOOKS)
    ready = chosen(round_store, groups, seed_dir, config)

    def key(evaluate: EvaluateConfig, train: TrainConfig) -> str:
        recipe = ready.round.recipe.model_copy(update={"evaluate": evaluate, "train": train})
        opened = ready.round.model_copy(update={"recipe": recipe})
        return context_of("train", round_store, opened, ready.parents).key

    longer, last = EvaluateConfig(max_new_tokens=8), TrainConfig(max_steps=2)
    assert key(longer, config) != key(EVALUATE, config)
    assert key(longer, last) == key(EVALUATE, last)


@pytest.mark.parametrize(
    "words", ["CUDA out of memory. Tried to allocate 2 GiB", "DefaultCPUAllocator: can't allocate memory"]
)
def test_a_training_that_runs_out_of_memory_keeps_its_checkpoint_and_says_what_to_lower(
    words: str, round_store: FolderStore, groups: Sequence[Group], seed_dir: Any
) -> None:
    def full(done: int, total: int, unit: str, note: str = "") -> None:
        if done == 3:
            raise torch.OutOfMemoryError(words) if "CUDA" in words else RuntimeError(words)

    config = TrainConfig(max_steps=4, batch_size=8, checkpoints=EVERY)
    ready = context(round_store, groups[:24], seed_dir, config)
    ready.progress = full
    with pytest.raises(
        TrainError, match=r"out of memory with train\.batch_size 8; nothing was saved: .*lower train\.batch_size"
    ):
        run_step(ready)
    assert of_stage(ready).steps()
    assert {round_store.key(one.uri).split("/")[1] for one in round_store.list("models/")} == {"seed"}
