"""The launcher torchrun: two real processes on a micro training; and how failures of workers are told."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet import canonical, models
from ratchet.artifacts import Artifact, Manifest, ModelRef
from ratchet.errors import LeaseLost, StoreError, TrainError
from ratchet.launching import LauncherConfig
from ratchet.records import Group
from ratchet.stage import StageContext, run_step
from ratchet.store.folder import FolderStore
from ratchet.train import TRAIN_LOG, LogRow
from ratchet.train.launchers import elastic, torchrun
from ratchet.train.launchers.logs import redacted, tail
from ratchet.train.orders import order_of, read_training, write_failure
from tests.micro import environment
from tests.unit.train.launched import context

TWO = LauncherConfig(kind="torchrun", processes=2)
TRAIN: dict[str, Any] = {"max_steps": 3, "batch_size": 8, "learning_rate": 2e-3}
LOSS_WITHIN = 1e-5
"""Sums are taken in another order; measured: 5e-7 after 12 steps."""


def losses(store: FolderStore, manifest: Manifest) -> list[LogRow]:
    return list(Artifact.open(store, manifest.uri, TRAIN_LOG).rows())


def weights(store: FolderStore, manifest: Manifest, cache: Path) -> dict[str, Any]:
    ref = ModelRef.model_validate(manifest.results["model"])
    state: dict[str, Any] = models.load(models.fetch(store, ref, cache))[0].state_dict()
    return state


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_as_one_does(groups: Sequence[Group], seed_dir: Path, tmp_path: Path) -> None:
    import torch

    from ratchet.train.weights import saved_dtype

    alone, shared = FolderStore(tmp_path / "alone"), FolderStore(tmp_path / "shared")
    one = run_step(context(alone, groups[:24], seed_dir, LauncherConfig(), **TRAIN))
    progress = tmp_path / "progress.jsonl"
    with environment(RATCHET_PROGRESS=str(progress)):
        ready = context(shared, groups[:24], seed_dir, TWO, **TRAIN)
        two = run_step(ready)
    assert two.counts == one.counts == {"rows": 24, "visits": 24, "steps": 3}
    for a, b in zip(losses(alone, one), losses(shared, two), strict=True):
        assert b.loss == pytest.approx(a.loss, abs=LOSS_WITHIN)
        assert b.grad_norm == pytest.approx(a.grad_norm, rel=1e-4)
        assert (b.learning_rate, b.tokens, b.epoch) == (a.learning_rate, a.tokens, a.epoch)
    before, after = weights(alone, one, tmp_path / "cache"), weights(shared, two, tmp_path / "cache")
    assert before.keys() == after.keys()
    # They are saved in the seed's precision, where a difference in the seventh digit may round to the next number; and Adam makes
    # a whole step of a gradient near 0, whichever its sign.
    moved = 2 * TRAIN["max_steps"] * TRAIN["learning_rate"]
    step = torch.finfo(getattr(torch, saved_dtype(seed_dir))).eps
    assert all(torch.allclose(before[name], after[name], rtol=step, atol=moved) for name in before)
    close = sum(int(torch.isclose(before[name], after[name], rtol=step, atol=1e-5).sum()) for name in before)
    assert close > 0.999 * sum(value.numel() for value in before.values())
    # The first process alone tells how far it is.
    told = [canonical.loads(line) for line in progress.read_bytes().splitlines()]
    assert [(event["done"], event["total"]) for event in told][-1] == (3, 3)
    assert {event["stage"] for event in told} == {"train"}
    training = read_training(ready)
    assert training is not None
    assert training.processes == 2
    assert {"rows", "fetch", "train", "upload", "loop"} <= two.seconds.keys()


@pytest.fixture
def ready(groups: Sequence[Group], seed_dir: Path, tmp_path: Path) -> StageContext:
    return context(FolderStore(tmp_path / "store"), groups[:8], seed_dir, TWO, **TRAIN)


def failed(ready: StageContext, folder: Path, *ended: tuple[int, int]) -> Exception:
    """What the launcher raises after the agent has said how ranks ended; what they said is in the store."""
    said = [elastic.Ended(rank=rank, code=code).model_dump() for rank, code in ended]
    (folder / elastic.FAILED).write_bytes(canonical.dumps(said))
    return torchrun._failure(ready, order_of(ready, "attempt"), folder, 1)


def log(folder: Path, rank: int, text: str) -> None:
    place = folder / "logs" / "ratchet_x" / "attempt_0" / str(rank)
    place.mkdir(parents=True)
    (place / "stderr.log").write_text(text)


def test_a_killed_rank_is_named_before_those_that_miss_it(ready: StageContext, tmp_path: Path) -> None:
    write_failure(ready, "attempt", 0, RuntimeError("Connection closed by peer"))
    log(tmp_path, 1, "train 1/3 steps\nhalf a line")
    error = failed(ready, tmp_path, (0, 1), (1, -signal.SIGKILL))
    assert isinstance(error, TrainError)
    assert "rank 1 of 2 was ended by SIGKILL: killed from outside, most often because the machine's memory" in str(
        error
    )
    assert "nothing was registered; run the stage again" in str(error)
    assert "half a line" in str(error)


def test_a_worker_that_raised_is_raised_again_in_its_words_by_the_first_that_did(
    ready: StageContext, tmp_path: Path
) -> None:
    write_failure(ready, "attempt", 1, StoreError("no bucket; make it"))
    write_failure(ready, "attempt", 0, RuntimeError("the others are gone"))
    log(tmp_path, 1, "its last words")
    error = failed(ready, tmp_path, (0, 1), (1, 5))
    assert type(error) is StoreError
    assert str(error) == "no bucket; make it"
    assert error.__notes__ == ["raised in rank 1.\nThe end of its log:\nits last words"]


def test_what_is_no_error_of_ours_is_a_training_error_with_its_rank(ready: StageContext, tmp_path: Path) -> None:
    write_failure(ready, "attempt", 1, ZeroDivisionError("by zero"))
    error = failed(ready, tmp_path, (1, 1))
    assert type(error) is TrainError
    assert str(error) == "training failed in rank 1: ZeroDivisionError: by zero (mend it, and run the stage again)"


def test_failures_of_another_attempt_are_not_taken_for_this_one(ready: StageContext, tmp_path: Path) -> None:
    write_failure(ready, "before", 1, StoreError("long ago"))
    assert "rank 1 of 2 ended with exit code 3 and said nothing" in str(failed(ready, tmp_path, (1, 3)))


def test_an_agent_that_never_started_workers_says_so(ready: StageContext, tmp_path: Path) -> None:
    error = torchrun._failure(ready, order_of(ready), tmp_path, 2)
    assert "agent that starts the workers ended with exit code 2" in str(error)


def test_a_run_that_loses_the_loop_ends_its_workers(ready: StageContext, monkeypatch: pytest.MonkeyPatch) -> None:
    asleep: list[int] = []

    def command(_context: StageContext, folder: Path) -> list[str]:
        return ["sleep", "1000"]

    def end(agent: Any) -> None:
        asleep.append(agent.pid)
        ending(agent)

    ending = torchrun._end
    monkeypatch.setattr(torchrun, "_command", command)
    monkeypatch.setattr(torchrun, "_end", end)
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "0.3")
    assert ready.lease is not None
    ready.lease.store.delete("lease.json")
    with pytest.raises(LeaseLost):
        torchrun.launch(ready)
    with pytest.raises(ProcessLookupError):
        os.kill(asleep[0], 0)


def test_only_a_run_that_holds_the_loop_can_have_workers(ready: StageContext) -> None:
    ready.lease = None
    with pytest.raises(TrainError, match=r"holds the loop's lease can have workers"):
        torchrun.launch(ready)


def test_logs_are_shown_without_what_is_secret(tmp_path: Path) -> None:
    known = {"AWS_SECRET_ACCESS_KEY": "abcdef123456", "HF_TOKEN": "hf_x", "HOME": "/home/somebody"}
    said = "put https://me:pass@s3.example/b with abcdef123456 from /home/somebody hf_x"
    assert redacted(said, known) == "put https://***@s3.example/b with *** from /home/somebody hf_x"
    file = tmp_path / "log"
    assert tail(file) == ""
    file.write_text("\n".join(str(n) for n in range(100)))
    assert tail(file, 3) == "97\n98\n99"
