"""What happens to a training from outside: SIGKILL at any time, a disk that is full, no memory, S3 gone in mid-upload, a twin."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import MANIFEST, Artifact, ImageBank, Manifest
from ratchet.errors import TrainError
from ratchet.recipe import CheckpointsConfig, Recipe, TrainConfig
from ratchet.services import Services, start
from ratchet.services import server as processes
from ratchet.stage import StageContext, run_step
from ratchet.store import FolderStore, Store, open_store
from ratchet.train import METHODS, TRAIN_LOG, Job, TrainReport
from ratchet.train.checkpoints import Checkpoints, Training, of_stage
from ratchet.train.rows import ROWS, joined
from tests import tiny
from tests.e2e.rounds import fork, killed_after, wait
from tests.micro import environment
from tests.unit.train.builders import SKILLS, group_of
from tests.unit.train.test_train_stage import context

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
KILLS = 20
TRAINING = Training(key="k" * 64, seed="s" * 64, config="c" * 64)
OFTEN = TrainConfig(max_steps=24, batch_size=8, checkpoints=CheckpointsConfig(every=2))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with environment(
        RATCHET_CACHE=str(tmp_path_factory.getbasetemp() / "faults-cache"), TOKENIZERS_PARALLELISM="false"
    ):
        yield


def groups() -> list[Any]:
    return [group_of(prompt) for prompt in tiny.world("pool", 24, SKILLS)[0]]


def job(seed_dir: Path, folder: Path, config: TrainConfig, store: Store | None, **more: Any) -> Job:
    folder.mkdir(exist_ok=True)
    bank = ImageBank(packs := FolderStore(folder / "packs"), [tiny.pack(packs, tiny.world("pool", 24, SKILLS)[1])])
    rows = joined(_rows(), bank, folder / f"rows-{time.monotonic_ns()}.arrow")
    checkpoints = Checkpoints(store, TRAINING) if store is not None else None
    return Job(config, seed_dir, rows, folder / "model", 3, checkpoints=checkpoints, **more)


def _rows() -> list[dict[str, Any]]:
    return list(ROWS["sft"](groups(), Recipe(name="test", train=OFTEN)))


def train(given: Job) -> TrainReport:
    return METHODS[given.config.method](given)


def test_a_training_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    tmp_path: Path, tiny_seed: Path, record_property: Any
) -> None:
    def stage() -> StageContext:
        return context(FolderStore(tmp_path / "store"), groups(), tiny_seed, OFTEN)

    # Once unmeasured, for what a process imports only once; then in a child as all others, which compute with one thread.
    run_step(stage())
    _forget(stage())
    begun = time.perf_counter()
    assert wait(fork(lambda: run_step(stage()))) == 0
    seconds = time.perf_counter() - begun
    whole = run_step(stage())
    chance = random.Random("kill a training")
    kills = resumed = finished = 0
    while kills < KILLS or not finished:
        _forget(stage())
        while not stage().store.exists(f"{stage().prefix}/{MANIFEST}"):
            resumed += bool(of_stage(stage()).steps())
            killed = kills < KILLS and killed_after(lambda: run_step(stage()), chance.uniform(0, seconds))
            kills += killed
            if kills >= KILLS:
                assert wait(fork(lambda: run_step(stage()))) == 0
        finished += 1
        _same(stage(), run_step(stage()), whole)
    assert resumed >= 5, f"only {resumed} of {kills} tries went on from a checkpoint"
    record_property("kills", kills)
    record_property("resumed", resumed)
    print(f"\n{kills} kills, {resumed} tries went on from a checkpoint, {finished} trainings of {seconds:.1f} s")  # noqa: T201


def _forget(ready: StageContext) -> None:
    """Remove the training's artifact and what it left, and its model."""
    for prefix in (f"{ready.prefix}/", f"models/{ready.round.loop}/"):
        for stat in list(ready.store.list(prefix)):
            ready.store.delete(ready.store.key(stat.uri))


def _same(ready: StageContext, made: Manifest, whole: Manifest) -> None:
    assert made.content_digest == whole.content_digest
    assert made.results == whole.results
    steps = [row.step for row in Artifact.open(ready.store, made.uri, TRAIN_LOG).rows()]
    assert steps == list(range(1, 25))
    assert list(of_stage(ready).store.list()) == []


def test_two_that_train_the_same_at_once_make_it_once(tmp_path: Path, tiny_seed: Path) -> None:
    def stage() -> StageContext:
        return context(FolderStore(tmp_path / "store"), groups(), tiny_seed, OFTEN)

    run_step(stage())
    _forget(stage())
    assert wait(fork(lambda: run_step(stage()))) == 0
    whole = run_step(stage())
    _forget(stage())
    racing = [fork(lambda: run_step(stage())) for _ in range(2)]
    assert [wait(pid) for pid in racing] == [0, 0]
    made = run_step(stage())
    assert made.content_digest == whole.content_digest
    assert made.results == whole.results
    assert list(of_stage(stage()).store.list()) == []


class Deadly:
    """Kills S3 with SIGKILL a moment after a file's upload began: the `nth` one's. No other begins before it is dead."""

    def __init__(self, store: Store, services: Services, nth: int) -> None:
        self._store, self._services, self._nth = store, services, nth
        self.begun = 0
        self.killed_at = 0.0
        self._death = threading.Timer(0.01, self._kill)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put_file(self, key: str, path: Any) -> Any:
        self.begun += 1
        if self.begun == self._nth:
            self._death.start()
        elif self.begun > self._nth:
            # A loaded machine may send a file, and the card behind it, faster than it finds whom to kill.
            self._death.join()
        return self._store.put_file(key, path)

    def _kill(self) -> None:
        for pid in processes.members(self._services.settings.token):
            os.kill(pid, signal.SIGKILL)
        self.killed_at = time.monotonic()


def test_s3_that_dies_in_the_middle_of_an_upload_costs_the_training_nothing(
    tmp_path: Path, tiny_seed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RATCHET_S3_ATTEMPTS", "2")
    monkeypatch.setenv("RATCHET_S3_TIMEOUT", "2")
    whole = train(job(tiny_seed, tmp_path / "whole", OFTEN, None))
    with start(tmp_path / "services", mlflow=False) as services:
        for name, value in services.environment().items():
            monkeypatch.setenv(name, value)
        # Two files a checkpoint: it dies while the third checkpoint's first is sent.
        deadly = Deadly(open_store("s3://ratchet/checkpoints"), services, nth=5)
        given = job(tiny_seed, tmp_path / "out", OFTEN, None)
        report = train(replace(given, checkpoints=Checkpoints(deadly, TRAINING)))  # type: ignore[arg-type]
        assert deadly.killed_at
    assert report.checkpoints == 2
    assert report.checkpoints_failed >= 1
    assert "the last good one stays" in caplog.text
    assert report.log == whole.log
    with start(tmp_path / "services", mlflow=False) as services:
        for name, value in services.environment().items():
            monkeypatch.setenv(name, value)
        store = open_store("s3://ratchet/checkpoints")
        assert len(Checkpoints(store, TRAINING).steps()) == 2
        again = train(job(tiny_seed, tmp_path / "again", OFTEN, store))
    assert again.resumed_from
    assert again.log == whole.log
    assert _model(tmp_path / "again") == _model(tmp_path / "whole")


def _model(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


@contextmanager
def full_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A real file system of so many MiB."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a file system of its own")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_costs_the_checkpoints_not_the_training(
    tmp_path: Path, tiny_seed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = job(tiny_seed, tmp_path / "out", OFTEN, store := FolderStore(tmp_path / "kept"))
    with full_disk(tmp_path / "disk", 1) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        report = train(given)
        monkeypatch.setattr(tempfile, "tempdir", None)
    assert (report.checkpoints, report.steps) == (0, 24)
    assert report.checkpoints_failed >= 1
    assert "No space left on device" in caplog.text
    assert Checkpoints(store, TRAINING).steps() == []
    assert (tmp_path / "out" / "model" / "model.safetensors").exists()


def test_a_disk_that_is_too_full_for_the_model_is_told_and_its_checkpoints_stay(
    tmp_path: Path, tiny_seed: Path
) -> None:
    given = job(tiny_seed, tmp_path / "out", OFTEN, store := FolderStore(tmp_path / "kept"))
    with full_disk(tmp_path / "disk", 1) as disk:
        with pytest.raises(TrainError, match=r"the disk is full, .*disk/model.*Free space and start again"):
            train(replace(given, out_dir=disk / "model"))
        assert not (disk / "model").exists()
    assert Checkpoints(store, TRAINING).steps()
    report = train(given)
    assert report.resumed_from


def starved(given: Job) -> None:
    """Train where hardly more address space is left than the first steps have taken."""
    train(replace(given, out_dir=given.out_dir / "warm"))
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (40 << 20), -1))
    larger = replace(given, config=given.config.model_copy(update={"batch_size": 24}))
    with pytest.raises(
        TrainError, match=r"out of memory with train\.batch_size 24; nothing was saved: .*lower train\.batch_size"
    ):
        train(replace(larger, out_dir=given.out_dir / "model"))
    assert not (given.out_dir / "model").exists()


def test_too_little_memory_says_what_to_lower(tmp_path: Path, tiny_seed: Path) -> None:
    given = job(tiny_seed, tmp_path, TrainConfig(max_steps=2, batch_size=1), None)
    # A new process, not a fork: what earlier tests have freed there would be memory without asking for any.
    process = multiprocessing.get_context("spawn").Process(target=starved, args=(given,))
    process.start()
    process.join(240)
    assert process.exitcode == 0
