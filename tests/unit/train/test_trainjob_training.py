"""Whole trainings through a TrainJob: two nodes under torchrun, as processes of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import Artifact, Manifest, ModelRef
from ratchet.errors import LeaseLost
from ratchet.launching import LauncherConfig
from ratchet.records import Group
from ratchet.registry import lease as leases
from ratchet.rounds import Ticket, write_run
from ratchet.services.fake_kubernetes import FakeKubernetes, FakeTrainer
from ratchet.stage import StageContext, run_step
from ratchet.store.folder import FolderStore
from ratchet.train import TRAIN_LOG
from ratchet.train.checkpoints import of_stage
from ratchet.train.launchers.trainjob import launcher as launching
from ratchet.train.orders import order_of, read_training
from ratchet.train.worker import SCRATCH, check_wanted, work
from tests.e2e.rounds import fork, kill_group
from tests.fake_cluster import cluster, needs_crds
from tests.unit.train.launched import context
from tests.unit.train.test_train_checkpoints import settled
from tests.unit.train.trainjobs import launcher, until

TRAIN: dict[str, Any] = {"max_steps": 3, "batch_size": 8, "learning_rate": 2e-3}
LOSS_WITHIN = 1e-5
"""As for two processes of one machine: sums are taken in another order."""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    monkeypatch.setattr(launching, "POLL_SECONDS", 0.2)
    with cluster(tmp_path, monkeypatch) as running:
        yield running


def nodes(fake: FakeKubernetes) -> FakeTrainer:
    """Nodes whose image is this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return FakeTrainer(fake, environment={**os.environ, "PATH": path})


def on_cluster() -> LauncherConfig:
    from ratchet.launching.trainjob import TrainJobConfig

    return launcher(TrainJobConfig(image="registry.example/training:1"))


def losses(context: StageContext, manifest: Manifest) -> list[float]:
    return [row.loss for row in Artifact.open(context.store, manifest.uri, TRAIN_LOG).rows()]


@needs_crds
@pytest.mark.slow
def test_two_nodes_train_as_one_process_does(
    groups: Sequence[Group], seed_dir: Path, tmp_path: Path, fake: FakeKubernetes, capfd: pytest.CaptureFixture[str]
) -> None:
    alone = context(FolderStore(tmp_path / "alone"), groups[:24], seed_dir, LauncherConfig(), **TRAIN)
    one = run_step(alone)
    shared = context(FolderStore(tmp_path / "shared"), groups[:24], seed_dir, on_cluster(), **TRAIN)
    with nodes(fake) as trainer:
        two = run_step(shared)
        until(lambda: not fake.state.list(fake.kind("trainjobs")))
    assert trainer.started == 2
    assert losses(shared, two) == pytest.approx(losses(alone, one), abs=LOSS_WITHIN)
    assert two.counts == one.counts
    assert two.results["report"]["steps"] == 3
    assert ModelRef.model_validate(two.results["model"]).digest
    training = read_training(shared)
    assert training is not None
    assert training.processes == 2
    assert "node 0: train 3/3 steps" in capfd.readouterr().err


@needs_crds
@pytest.mark.slow
def test_a_training_whose_component_is_killed_goes_on_and_the_next_try_commits_it(
    groups: Sequence[Group], seed_dir: Path, tmp_path: Path, fake: FakeKubernetes
) -> None:
    ready = context(FolderStore(tmp_path / "store"), groups[:24], seed_dir, on_cluster(), **TRAIN)
    with nodes(fake) as trainer:
        pid = fork(lambda: run_step(ready))
        until(lambda: len(trainer.nodes) == 2, 60)
        kill_group(pid)
        manifest = run_step(ready)
        assert trainer.started == 2
    assert manifest.counts["steps"] == 3
    made = [c for c in fake.state.history if c.kind.plural == "trainjobs" and c.type == "ADDED"]
    assert len(made) == 1


def test_a_worker_goes_on_for_a_run_that_took_up_its_round_and_for_no_other(
    groups: Sequence[Group], seed_dir: Path, tmp_path: Path
) -> None:
    ready = context(FolderStore(tmp_path / "store"), groups[:8], seed_dir, on_cluster(), **TRAIN)
    order, lease = order_of(ready), ready.lease
    assert lease is not None
    check_wanted(ready, order)
    lease.release()
    other = leases.acquire(lease.store, "job-2", 600)
    with pytest.raises(LeaseLost):
        check_wanted(ready, order)
    ticket = Ticket(**{**order.ticket.model_dump(), "job": "job-2", "epoch": other.epoch})
    write_run(ready.store, ticket)
    check_wanted(ready, order)
    write_run(ready.store, ticket.model_copy(update={"number": order.ticket.number + 1}))
    with pytest.raises(LeaseLost):
        check_wanted(replace(ready), order)


def test_a_worker_of_an_adopted_job_writes_its_checkpoints(
    groups: Sequence[Group], seed_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SCRATCH, str(tmp_path / "node"))
    options = {**TRAIN, "max_steps": 2, "checkpoints": {"every": 1}}
    ready = context(FolderStore(tmp_path / "store"), groups[:8], seed_dir, on_cluster(), **options)
    ready.progress = settled
    order, lease = order_of(ready), ready.lease
    assert lease is not None
    lease.release()
    epoch = leases.acquire(lease.store, "job-2", 600).epoch
    write_run(ready.store, Ticket(**{**order.ticket.model_dump(), "job": "job-2", "epoch": epoch}))
    work(order, ready)
    assert of_stage(ready).steps() == [1]
    training = read_training(ready)
    assert training is not None
    assert training.report.steps == 2
