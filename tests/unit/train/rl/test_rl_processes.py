"""Two processes over Gloo against one, on the same completions: one loss and one gradient, whatever each of them keeps."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ratchet.recipe import TrainConfig
from ratchet.train import Job
from tests.e2e.rounds import fork, wait
from tests.unit.train.rl.conftest import Scores, rewards
from tests.unit.train.rl.test_rl_equal import NAMES, assert_same, config, stepped, tenths

JobOf = Callable[..., Job]
Step = tuple[float, Any, int]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
UNEVEN = ["3 circle", "3 circle", "5 .", "3 circle", "9 circles .", "2 .", "6", "2"]
ONE_SIDED = ["3 circle", "5", "5", "1 .", "4", "4 square", "4 .", "4 circle ."]
NOTHING = ["3", "3 .", "3 circle", "3 square .", "4", "4 square", "4 .", "4 circle ."]
"""Answers to two prompts, one of each process: what they earn, in tenths, is their first word."""
KL = {"kl": {"coefficient": 0.5}}
Case = tuple[str, list[str], dict[str, Any]]
WITH_SFT = {"sft_weight": 0.5}
CASES: dict[str, Case] = {
    **{f"{name}-uneven": (name, UNEVEN, WITH_SFT) for name in ("grpo", "bnpo", "dapo", "rloo")},
    **{f"{name}-one-sided": (name, ONE_SIDED, WITH_SFT) for name in ("grpo", "bnpo", "rloo")},
    **{f"{name}-kl": (name, ONE_SIDED, KL) for name in ("grpo", "bnpo")},
}
"""One for each way in which a loss is divided, and each way in which rows are kept."""


def case(name: str, job_of: JobOf) -> tuple[TrainConfig, Job, list[str]]:
    loss, answers, rl = CASES[name]
    given = config(loss, rl=rl)
    return given, job_of(given, rewards(Scores("a", tenths)), n=2), answers


def all_steps(job_of: JobOf, folder: Path, rank: int | None) -> None:
    """Each case's step: one process's over both prompts, or that of one of two over its prompt and its four answers."""
    found: dict[str, Step] = {}
    for name in CASES:
        given, job, answers = case(name, job_of)
        if rank is not None:
            job, answers = replace(job, rows=job.rows.select([rank, 1 - rank])), answers[4 * rank : 4 * rank + 4]
        found[name] = stepped("ours", given, job, answers, folder / f"out-{rank}")
    torch.save(found, folder / f"{rank}.pt")


def begun(job_of: JobOf, folder: Path, rank: int | None, port: int) -> int:
    def work() -> None:
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)
        if rank is not None:
            ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
            os.environ.update({name: str(value) for name, value in ranks.items()}, MASTER_ADDR="127.0.0.1")
        all_steps(job_of, folder, rank)

    return fork(work)


def test_two_processes_have_the_loss_and_gradient_of_one(job_of: JobOf, tmp_path: Path) -> None:
    case("grpo-uneven", job_of)  # What tests share is made before the processes part.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [begun(job_of, tmp_path, rank, port) for rank in (0, 1, None)]
    assert [wait(child, 800) for child in children] == [0, 0, 0]
    both, one = [torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in (0, 1)], tmp_path / "None.pt"
    for name, whole in torch.load(one, weights_only=False).items():
        first, second = (found[name] for found in both)
        assert first[2] == second[2], f"{name}: processes pass as many rows"
        gradients = {at: (grad + second[1][at]) / 2 for at, grad in first[1].items()}
        assert_same(((first[0] + second[0]) / 2, gradients, first[2]), whole)


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_counts_the_gradient_is_nought(name: str, job_of: JobOf, tmp_path: Path) -> None:
    given = config(name, rl={"sft_weight": 0.5})
    job = job_of(given, rewards(Scores("a", tenths)), n=2)
    loss, gradients, passed = stepped("ours", given, job, NOTHING, tmp_path)
    assert (loss, passed) == (0.0, 1)
    assert all(float(grad.abs().max()) == 0.0 for grad in gradients.values())


@pytest.mark.parametrize("name", ["grpo", "dapo", "rloo"])
def test_a_group_without_variance_pays_for_its_divergence(name: str, job_of: JobOf, tmp_path: Path) -> None:
    given = config(name, rl=KL)
    job = job_of(given, rewards(Scores("a", tenths)), n=2)
    _, gradients, passed = stepped("ours", given, job, NOTHING, tmp_path)
    assert passed == 8
    # RLOO's price is in its rewards: it is 0 where the policy that speaks is the seed, as here.
    if name != "rloo":
        assert max(float(grad.abs().max()) for grad in gradients.values()) > 1e-4
