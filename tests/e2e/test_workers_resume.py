"""Two processes that train together are killed and go on from their checkpoint, to the same weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import Artifact, Manifest
from ratchet.launching import LauncherConfig
from ratchet.stage import StageContext, run_step
from ratchet.store import FolderStore
from ratchet.train import TRAIN_LOG
from ratchet.train.checkpoints import of_stage
from ratchet.train.orders import read_training
from tests import tiny
from tests.e2e.rounds import fork, kill_group
from tests.micro import environment
from tests.unit.train.builders import SKILLS, group_of
from tests.unit.train.launched import context
from tests.unit.train.test_torchrun_kills import MARK, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
TWO = LauncherConfig(kind="torchrun", processes=2)
# Three steps an epoch: steps 4 and 5 are in the middle of the second, 7 and 8 of the third, whose orders are not the first's.
TRAIN: dict[str, Any] = {"max_steps": 10, "batch_size": 8, "checkpoints": {"every": 1}}


def stage(folder: Path, seed: Path) -> StageContext:
    groups = [group_of(prompt) for prompt in tiny.world("pool", 24, SKILLS)[0]]
    return context(FolderStore(folder), groups, seed, TWO, **TRAIN)


def rows(made: Manifest, folder: Path) -> list[Any]:
    return list(Artifact.open(FolderStore(folder), made.uri, TRAIN_LOG).rows())


def test_two_processes_that_are_killed_go_on_in_the_middle_of_an_epoch(tmp_path: Path, tiny_seed: Path) -> None:
    mark = str(tmp_path)
    with environment(RATCHET_CACHE=str(tmp_path / "cache"), TOKENIZERS_PARALLELISM="false", **{MARK: mark}):
        whole = run_step(stage(tmp_path / "whole", tiny_seed))
        ready = stage(tmp_path / "killed", tiny_seed)
        # The launcher's own session ends with it, and the workers with their launcher.
        pid = fork(lambda: run_step(ready))
        deadline = time.monotonic() + 500
        kept = of_stage(ready)
        while not (steps := kept.steps()) or steps[-1] not in (4, 5, 7, 8):
            assert time.monotonic() < deadline, f"checkpoints {steps}"
            time.sleep(0.005)
        kill_group(pid)
        # Its workers are told to end, and may take a step more until they have.
        until(lambda: not running(mark))
        left = kept.steps()
        assert left
        assert left[-1] < 10
        made = run_step(stage(tmp_path / "killed", tiny_seed))
    training = read_training(ready)
    assert training is not None
    assert training.report.resumed_from == (left[-1],)
    assert rows(made, tmp_path / "killed") == rows(whole, tmp_path / "whole")
    assert made.results["report"] == whole.results["report"]
    assert made.results["model"]["digest"] == whole.results["model"]["digest"]
