"""Two processes against one, by method and strategy: the same losses, weights and counts of rows, within rounding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from ratchet import models
from ratchet.artifacts import Artifact, Manifest, ModelRef
from ratchet.launching import LauncherConfig
from ratchet.records import Group
from ratchet.stage import run_step
from ratchet.store.folder import FolderStore
from ratchet.train import TRAIN_LOG
from ratchet.train.weights import saved_dtype
from tests.unit.train.launched import context

LORA = {"lora": {"rank": 4, "alpha": 8}}
UNPAIRED: dict[str, Any] = {"method": "kto", "loss": ["apo_zero_unpaired"], "learning_rate": 5e-4, "max_steps": 2}
MDPO = {**UNPAIRED, "method": "dpo", "loss": ["sigmoid"], "pictures": {"conditional": 1.0, "anchor": 1.0}}
DPO: dict[str, Any] = {"method": "dpo", "loss": ["sigmoid", "sft"], "learning_rate": 5e-4}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("strategy", "train"),
    [("fsdp", LORA), ("ddp", DPO), ("fsdp", DPO), ("ddp", {**DPO, **LORA}), ("ddp", UNPAIRED), ("ddp", MDPO)],
    ids=["sft-lora-fsdp", "dpo-ddp", "dpo-fsdp", "dpo-lora-ddp", "kto-unpaired-ddp", "mdpo-ddp"],
)
def test_two_processes_train_as_one_does(
    strategy: Any, train: dict[str, Any], groups: Sequence[Group], seed_dir: Path, tmp_path: Path
) -> None:
    given = {"max_steps": 4, "batch_size": 8, "learning_rate": 2e-3, **train}
    two = LauncherConfig(kind="torchrun", processes=2, strategy=strategy)
    made = {}
    for name, launcher in (("one", LauncherConfig()), ("two", two)):
        store = FolderStore(tmp_path / name)
        made[name] = store, run_step(context(store, groups[:16], seed_dir, launcher, **given))
    assert made["one"][1].counts == made["two"][1].counts
    for one, other in zip(*(curve(*it) for it in made.values()), strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-5)
    before, after = (weights(*it, tmp_path / "cache") for it in made.values())
    assert before.keys() == after.keys()
    step = torch.finfo(getattr(torch, saved_dtype(seed_dir))).eps
    assert all(torch.allclose(before[name], after[name], rtol=step, atol=1e-5) for name in before)


def test_ktos_first_loss_is_that_of_one_process_and_later_ones_are_read_off_other_pairs(
    groups: Sequence[Group], seed_dir: Path, tmp_path: Path
) -> None:
    """Before the first step the policy is the reference, and the divergence 0 whatever it is read off."""
    given: dict[str, Any] = {"method": "kto", "max_steps": 2, "batch_size": 8, "learning_rate": 2e-3}
    made = []
    for launcher in (LauncherConfig(), LauncherConfig(kind="torchrun", processes=2)):
        store = FolderStore(tmp_path / launcher.kind)
        made.append((store, run_step(context(store, groups[:16], seed_dir, launcher, **given))))
    assert made[0][1].counts == made[1][1].counts
    one, two = (curve(*it) for it in made)
    assert two[0] == pytest.approx(one[0], rel=1e-4, abs=1e-5)
    assert two[1][0] == pytest.approx(one[1][0], rel=0.2)


def test_a_last_batch_that_is_not_full_is_filled_up_from_the_epochs_first_rows_and_counted(
    groups: Sequence[Group], seed_dir: Path, tmp_path: Path
) -> None:
    two = LauncherConfig(kind="torchrun", processes=2)
    store = FolderStore(tmp_path / "store")
    manifest = run_step(context(store, groups[:13], seed_dir, two, epochs=2, batch_size=8))
    assert manifest.counts["rows"] == 13
    assert (manifest.counts["steps"], manifest.counts["visits"]) == (4, 32)


def curve(store: FolderStore, manifest: Manifest) -> list[tuple[float, float]]:
    return [(row.loss, row.grad_norm or 0.0) for row in Artifact.open(store, manifest.uri, TRAIN_LOG).rows()]


def weights(store: FolderStore, manifest: Manifest, cache: Path) -> dict[str, Any]:
    ref = ModelRef.model_validate(manifest.results["model"])
    state: dict[str, Any] = models.load(models.fetch(store, ref, cache))[0].state_dict()
    return state
