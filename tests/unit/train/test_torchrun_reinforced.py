"""Reinforcement by two processes: whole groups in each, rewards that differ, weights that learn, visits that are counted once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import Artifact, ModelRef
from ratchet.launching import LauncherConfig
from ratchet.records import Group
from ratchet.stage import run_step
from ratchet.store.folder import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.train import TRAIN_LOG
from tests.unit.train.launched import context

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TWO = LauncherConfig(kind="torchrun", processes=2)


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_two_processes_reinforce_each_its_own_groups(method: Any, groups: Sequence[Group], tmp_path: Path) -> None:
    """A group that lay in two processes would be of several prompts in each of them, and stop the training."""
    store = FolderStore(tmp_path / "store")
    chosen = [group.model_copy(update={"uses": ("rl",)}) for group in groups[:12]]
    given: dict[str, Any] = {"method": method, "max_steps": 3, "batch_size": 16, "learning_rate": 1e-3}
    ready = context(store, chosen, SEED_DIR, TWO, **given, rl={"k": 4, "max_new_tokens": 4})
    manifest = run_step(ready)
    assert (manifest.counts["rows"], manifest.counts["steps"], manifest.counts["visits"]) == (12, 3, 12)
    assert sum(one["visits"] for one in manifest.results["report"]["intake"]["skills"].values()) == 12
    log = list(Artifact.open(store, manifest.uri, TRAIN_LOG).rows())
    assert any(row.metrics["reward_std"] > 0 for row in log)
    assert any((row.grad_norm or 0) > 0 for row in log)
    ref = ModelRef.model_validate(manifest.results["model"])
    before, after = (models.load(at)[0].state_dict() for at in (SEED_DIR, models.fetch(store, ref, tmp_path / "cache")))
    assert any(not before[name].equal(after[name]) for name in before)
