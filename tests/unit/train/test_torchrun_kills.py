"""Workers, agent and stage of the launcher torchrun are really killed: what is said, what stays, what is left running."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ratchet import canonical
from ratchet.artifacts import MANIFEST
from ratchet.errors import TrainError
from ratchet.launching import LauncherConfig
from ratchet.records import Group
from ratchet.stage import StageContext, run_step
from ratchet.store.folder import FolderStore
from ratchet.train.orders import read_training
from tests.e2e.rounds import fork, wait
from tests.unit.train.launched import context

TWO = LauncherConfig(kind="torchrun", processes=2)
LONG: dict[str, Any] = {"max_steps": 40, "batch_size": 4, "learning_rate": 2e-3}
MARK = "RATCHET_TEST_MARK"
SECONDS = 180.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """All that is started from here on carries it, and tells its progress in `tmp_path`."""
    value = uuid4().hex
    monkeypatch.setenv(MARK, value)
    monkeypatch.setenv("RATCHET_PROGRESS", str(tmp_path / "progress.jsonl"))
    return value


def running(mark: str, module: str = "") -> dict[int, dict[str, str]]:
    """Live processes that carry the mark and run the module, with their environments; this one's forks count, it does not."""
    found = {}
    for place in Path("/proc").iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        try:
            pairs = (place / "environ").read_bytes().split(b"\0")
            command = (place / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        values = dict(pair.decode(errors="replace").split("=", 1) for pair in pairs if b"=" in pair)
        if values.get(MARK) == mark and module in command:
            found[int(place.name)] = values
    return found


def until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def steps(folder: Path) -> int:
    """Steps that the training has told of."""
    try:
        lines = (folder / "progress.jsonl").read_bytes().splitlines()
    except FileNotFoundError:
        return 0
    return max((canonical.loads(line)["done"] for line in lines), default=0)


def kept(store: FolderStore, ready: StageContext) -> list[str]:
    """The checkpoints that are there whole."""
    return [stat.uri for stat in store.list(f"{ready.prefix}/checkpoints/") if stat.uri.endswith(".json")]


def untouched(store: FolderStore, ready: StageContext) -> bool:
    """Whether nothing was registered: no model, no manifest, no training.json."""
    return (
        not list(store.list("models/demo/"))
        and not store.exists(f"{ready.prefix}/{MANIFEST}")
        and not read_training(ready)
    )


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_killed_worker_fails_the_stage_by_its_rank_and_the_stage_goes_on_from_its_checkpoint(
    strategy: Any, groups: Sequence[Group], seed_dir: Path, tmp_path: Path, mark: str
) -> None:
    store = FolderStore(tmp_path / "store")
    two = TWO.model_copy(update={"strategy": strategy})
    given = {**LONG, "checkpoints": {"every": 4}}
    ready = context(store, groups[:16], seed_dir, two, **given)

    def stage() -> None:
        with pytest.raises(TrainError) as raised:
            run_step(ready)
        (tmp_path / "said").write_text(str(raised.value))

    child = fork(stage)
    until(lambda: kept(store, ready))
    (victim,) = [pid for pid, values in running(mark, "ratchet.train.worker").items() if values.get("RANK") == "1"]
    os.kill(victim, signal.SIGKILL)
    assert wait(child, 600) == 0
    said = (tmp_path / "said").read_text()
    assert "rank 1 of 2 was ended by SIGKILL" in said
    assert "nothing was registered; run the stage again" in said
    assert untouched(store, ready)
    assert not running(mark)
    assert kept(store, ready)
    again = run_step(context(store, groups[:16], seed_dir, two, **given))
    assert again.counts["steps"] == LONG["max_steps"]
    training = read_training(ready)
    assert training is not None
    (from_step,) = training.report.resumed_from
    assert from_step in range(4, 40, 4)
    assert not running(mark)
    assert not kept(store, ready)
    # What one process would have learned, never interrupted.
    alone = FolderStore(tmp_path / "alone")
    other = run_step(context(alone, groups[:16], seed_dir, LauncherConfig(), **LONG))
    assert again.results["report"]["loss_last"] == pytest.approx(other.results["report"]["loss_last"], abs=1e-3)


def test_where_the_profile_allows_restarts_a_killed_worker_costs_the_steps_since_the_checkpoint_alone(
    groups: Sequence[Group], seed_dir: Path, tmp_path: Path, mark: str
) -> None:
    store = FolderStore(tmp_path / "store")
    ready = context(
        store, groups[:16], seed_dir, TWO.model_copy(update={"restarts": 1}), **LONG, checkpoints={"every": 4}
    )
    child = fork(lambda: run_step(ready))
    until(lambda: kept(store, ready))
    (victim,) = [pid for pid, values in running(mark, "ratchet.train.worker").items() if values.get("RANK") == "1"]
    os.kill(victim, signal.SIGKILL)
    assert wait(child, 600) == 0
    training = read_training(ready)
    assert training is not None
    assert len(training.report.resumed_from) == 1
    assert [row.step for row in training.report.log] == list(range(1, LONG["max_steps"] + 1))


@pytest.mark.parametrize(
    ("module", "number"),
    [("stage", signal.SIGKILL), ("stage", signal.SIGTERM), ("ratchet.train.launchers.elastic", signal.SIGKILL)],
)
def test_nothing_outlives_a_stage_or_an_agent_that_is_killed(
    module: str, number: signal.Signals, groups: Sequence[Group], seed_dir: Path, tmp_path: Path, mark: str
) -> None:
    store = FolderStore(tmp_path / "store")
    ready = context(store, groups[:16], seed_dir, TWO, **LONG)
    child = fork(lambda: run_step(ready))
    until(lambda: steps(tmp_path) >= 1)
    victim = child if module == "stage" else next(iter(running(mark, module)))
    os.kill(victim, number)
    assert wait(child) != 0
    until(lambda: not running(mark))
    assert untouched(store, ready)
