"""A stage on a fake cluster, whose workers are a small program: it logs, waits to be told, and ends as it is told."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ratchet.artifacts import ModelRef
from ratchet.launching import LauncherConfig
from ratchet.launching.trainjob import RECORD, TrainJobConfig
from ratchet.recipe import Recipe
from ratchet.registry import lease as leases
from ratchet.rounds import Round
from ratchet.services.fake_kubernetes import FakeKubernetes, FakeTrainer
from ratchet.stage import StageContext
from ratchet.store.folder import FolderStore
from ratchet.train.launchers.trainjob.launcher import launch
from ratchet.train.launchers.trainjob.manifest import name_of
from ratchet.train.orders import Trained
from ratchet.train.report import LogRow, TrainReport
from tests.e2e.rounds import fork
from tests.fake_cluster import NAMESPACE

KEY = "0123456789abcdef" * 4
MODEL = ModelRef(name="mine", uri="folder/model", digest="d" * 64)
# Its folder is in TRIAL: `end` holds how to end, and appears when the test wants it.
WORKER = """
import json, os, pathlib, sys, time
trial, order = pathlib.Path(os.environ["TRIAL"]), json.loads(sys.argv[-1])
rank = int(os.environ["PET_NODE_RANK"])
print(f"train 1/3 steps loss {rank}", flush=True)
while not (trial / "end").exists():
    time.sleep(0.02)
end = json.loads((trial / "end").read_text())
print("the last words, password hunter22", flush=True)
place = pathlib.Path(end["place"]) / "training"
if end["says"] and rank == end["rank"]:
    said = place / "failures" / order["attempt"] / f"{rank:04d}.json"
    said.parent.mkdir(parents=True)
    said.write_text(json.dumps({"rank": rank, "error": end["error"], "message": end["says"], "time": time.time()}))
if rank == end["rank"] and end["code"]:
    sys.exit(end["code"])
if end["result"] and rank == 0:
    place.mkdir(parents=True, exist_ok=True)
    (place / "training.json").write_text(json.dumps(end["result"]))
"""


def report() -> TrainReport:
    row = LogRow(step=1, epoch=1.0, loss=0.5, learning_rate=1e-3, tokens=3)
    return TrainReport(
        method="sft",
        rows=8,
        visits=8,
        steps=1,
        epochs=1.0,
        tokens=3,
        loss_first=0.5,
        loss_last=0.5,
        parameters=10,
        trainable_parameters=10,
        log=(row,),
        seconds=2.0,
        loop_seconds=1.0,
    )


TRAINING = Trained(model=MODEL, report=report(), seconds={"train": 2.0}, processes=2)


@dataclass
class Trial:
    """A stage that trains on `cluster`, and what its launcher told. `end` lets the workers end."""

    folder: Path
    cluster: FakeKubernetes
    trainer: FakeTrainer
    context: StageContext
    told: list[tuple[int, int, str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return name_of("mine", 1, KEY)

    def end(
        self, *, code: int = 0, rank: int = 0, says: str = "", error: str = "TrainError", result: bool = True
    ) -> None:
        place = str(self.folder / "store" / self.context.prefix)
        made = TRAINING.model_dump(mode="json") if result else None
        body = {"code": code, "rank": rank, "says": says, "error": error, "result": made, "place": place}
        (self.folder / "end.new").write_text(json.dumps(body))
        (self.folder / "end.new").rename(self.folder / "end")

    def again(self) -> None:
        (self.folder / "end").unlink()

    def job(self) -> dict[str, Any] | None:
        jobs = self.cluster.state.list(self.cluster.kind("trainjobs"), NAMESPACE)
        assert len(jobs) <= 1
        return jobs[0] if jobs else None

    def pods(self) -> list[dict[str, Any]]:
        return self.trainer.pods(self.name)

    def running(self) -> bool:
        pods = self.pods()
        return bool(pods) and all(pod["status"]["phase"] == "Running" for pod in pods)

    def notes(self) -> str:
        return "\n".join(note for _, _, _, note in self.told)

    def made(self) -> int:
        """How many jobs were ever made."""
        changes = self.cluster.state.history
        return sum(c.kind.plural == "trainjobs" and c.type == "ADDED" for c in changes)

    def suspend(self, value: bool) -> None:
        kind = self.cluster.kind("trainjobs")
        self.cluster.state.update(
            kind, NAMESPACE, self.name, lambda job: {**job, "spec": {**job["spec"], "suspend": value}}
        )

    def with_job(self, **options: Any) -> None:
        job = TrainJobConfig.model_validate({"image": "registry.example/training:1", **options})
        self.context = replace(self.context, launcher=launcher(job))


def launcher(job: TrainJobConfig, nodes: int = 2) -> LauncherConfig:
    return LauncherConfig(kind="trainjob", nodes=nodes, trainjob=job)


@contextmanager
def trial(folder: Path, cluster: FakeKubernetes) -> Iterator[Trial]:
    def command(given: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", WORKER, given[-1]]

    store = FolderStore(folder / "store")
    lease = leases.acquire(store.sub("loops/mine"), "job-1", 600)
    opened = Round(
        loop="mine",
        number=1,
        salt="salt",
        job="job-1",
        seed=MODEL,
        recipe=Recipe.model_validate({"name": "tiny"}),
        prompts="p" * 64,
        report="r" * 64,
        family="f" * 64,
        code_revision="test",
    )
    told: list[tuple[int, int, str, str]] = []

    def progress(done: int, total: int, unit: str, note: str = "") -> None:
        told.append((done, total, unit, note))

    job = TrainJobConfig(image="registry.example/training:1")
    context = StageContext("train", store, opened, {}, KEY, lease=lease, progress=progress, launcher=launcher(job))
    environment = {**os.environ, "TRIAL": str(folder)}
    with FakeTrainer(cluster, command, environment) as trainer:
        yield Trial(folder, cluster, trainer, context, told)


def until(true: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def later(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def ends_when(run: Trial, ready: Any, **end: Any) -> None:
    """Let the workers end as `end` says, once it is `ready`."""

    def work() -> None:
        until(ready)
        run.end(**end)

    later(work)


def fork_until(run: Trial, true: Any) -> int:
    """A component in a process of its own, once that is `true`; it has ended when the child has."""
    pid = fork(lambda: launch(run.context))
    until(true)
    return pid


def record(run: Trial) -> str:
    return f"{run.context.round.prefix}/{RECORD}"
