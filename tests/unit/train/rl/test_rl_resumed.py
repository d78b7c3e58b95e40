"""Reinforcement that is stopped at a checkpoint goes on to the same completions, steps and weights, bit by bit.

Completions are drawn from torch's generator, whose state a checkpoint keeps; it is taken where all completions are learned from.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratchet.recipe import TrainConfig
from ratchet.recipe.training.curriculum import CurriculumConfig
from ratchet.store import FolderStore
from ratchet.train import METHODS, Job, TrainReport
from ratchet.train.checkpoints import Checkpoints
from ratchet.train.curriculum import Facts, RowOrder
from tests.e2e.rounds import fork, wait
from tests.unit.train.rl.conftest import Scores, early_letters, rewards
from tests.unit.train.test_train_checkpoints import TRAINING, Stopped, stopping_at
from tests.unit.train.test_train_methods import digests

JobOf = Callable[..., Job]
CLOCKS = {"step_time"}
GROWING = [{"start": 0, "max_new_tokens": 2}, {"start": 0.5, "max_new_tokens": 3}]
CASES: dict[str, dict[str, Any]] = {
    "grpo": {},
    "grpo-passes": {"rl": {"iterations": 2}},
    "grpo-accumulated": {"batch_size": 4, "trl": {"gradient_accumulation_steps": 2}},
    "grpo-many-steps-a-generation": {"trl": {"steps_per_generation": 2}},
    "grpo-steered-lora-growing": {
        "lora": {"rank": 2, "alpha": 8},
        "rl": {"kl": {"coefficient": 0.1, "target": 0.01, "horizon": 50}, "lengths": GROWING, "max_new_tokens": None},
    },
    "rloo": {"method": "rloo"},
    "rloo-kl": {"method": "rloo", "rl": {"kl": {"coefficient": 0.1}}},
}


def config(method: str = "grpo", **changes: Any) -> TrainConfig:
    rl = {"k": 4, "max_new_tokens": 3, **changes.pop("rl", {})}
    # Six prompts, two a step: three steps an epoch, so that step 4 is in the middle of the second.
    given = {"max_steps": 6, "batch_size": 8, "learning_rate": 1e-3, "checkpoints": {"every": 2}, **changes}
    return TrainConfig.model_validate({"method": method, "rl": rl, **given})


def trained(job: Job, store: FolderStore | None, **more: Any) -> TrainReport:
    """In an order, as the stage always gives one: TRL's own is that of the first epoch wherever a training goes on."""
    kept = Checkpoints(store, TRAINING) if store is not None else None
    facts = tuple(Facts(str(n), "count", None, 1) for n in range(len(job.rows)))
    order = RowOrder(facts, 5, CurriculumConfig())
    return METHODS[job.config.method](replace(job, checkpoints=kept, order=order, **more))


def timeless(report: TrainReport) -> list[Any]:
    return [
        row.model_copy(update={"metrics": {n: v for n, v in row.metrics.items() if n not in CLOCKS}})
        for row in report.log
    ]


@pytest.mark.parametrize("case", CASES)
def test_what_was_stopped_goes_on_to_the_same_steps(case: str, job_of: JobOf, tmp_path: Path) -> None:
    given = config(**CASES[case])

    def job(out: str) -> Job:
        return job_of(given, rewards(Scores("a", early_letters)), n=6, out=out)

    whole, kept = trained(job("whole"), None), FolderStore(tmp_path / "kept")
    with pytest.raises(Stopped):
        trained(job("again"), kept, progress=stopping_at(5))
    report = trained(job("again"), kept)
    assert len(report.resumed_from) == 1
    assert 0 < report.resumed_from[0] < 5
    assert timeless(report) == timeless(whole)
    assert report.visits == whole.visits
    assert digests(tmp_path / "again") == digests(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_what_was_killed_goes_on_to_the_same_weights(method: str, job_of: JobOf, tmp_path: Path) -> None:
    given, kept = config(method), FolderStore(tmp_path / "kept")

    def job(out: str) -> Job:
        return job_of(given, rewards(Scores("a", early_letters)), n=6, out=out)

    def dies(done: int, total: int, unit: str, note: str = "") -> None:
        if done == 5:
            while not Checkpoints(kept, TRAINING).steps():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

    whole, killed = trained(job("whole"), None), job("again")
    assert wait(fork(lambda: trained(killed, kept, progress=dies)), 120) == -signal.SIGKILL
    assert not killed.out_dir.exists()
    report = trained(job("again"), kept)
    assert report.resumed_from[0] in (2, 4)
    assert timeless(report) == timeless(whole)
    assert digests(tmp_path / "again") == digests(tmp_path / "whole")
