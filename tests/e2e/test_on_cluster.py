"""A loop on the fake of Kubeflow Pipelines, whose runs really run: opened, scheduled, promoted, stopped, and kept to its owner."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from ratchet import rounds
from ratchet.operations import policy as policies
from ratchet.operations.policy import LoopPolicy
from ratchet.registry import lease as leases
from ratchet.registry import open_registry
from ratchet.rounds.refusals import read_refusal
from ratchet.services.fake_pipelines import FakePipelines
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.e2e.rounds import LEARNING
from tests.micro import settings_in
from tests.program import Ratchet, program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LOOP = "nightly"
IMAGES = {name: f"registry.test/ratchet-{name}@sha256:{'0' * 64}" for name in ("core", "inference", "training")}
ENDED = ("SUCCEEDED", "FAILED", "CANCELED")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def fake(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePipelines]:
    profile = tmp_path / "cpu.yaml"
    profile.write_text(yaml.safe_dump({"name": "cpu", "images": IMAGES, "retries": 0}))
    with FakePipelines(execute=tmp_path / "logs", environment=settings.environment()) as running:
        given = {"KFP_ENDPOINT": running.url, "RATCHET_PROFILE": str(profile), "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
        for name, value in {**given, **settings.environment(), "RATCHET_CACHE": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def ratchet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fake: FakePipelines) -> Ratchet:
    return program(monkeypatch, capsys)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 600.0
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def ended(fake: FakePipelines, run: str) -> str:
    until(lambda: fake.state.runs[run]["state"] in ENDED, f"run {run} does not end")
    state: str = fake.state.runs[run]["state"]
    return state


def test_a_scheduled_round_promotes_and_runs_are_stopped_and_kept_to_the_owner(
    ratchet: Ratchet, fake: FakePipelines, settings: Settings, tiny_seed: Path, tmp_path: Path
) -> None:
    recipe, store = tmp_path / "learning.yaml", open_store(settings.root)
    recipe.write_text(LEARNING.replace("shards: 2", "shards: 1"))
    code, _, err = ratchet(
        "init", "--loop", LOOP, "--seed", str(tiny_seed), "--schedule", "0 2 * * *", "-r", str(recipe)
    )
    assert code == 0, err
    (run,) = fake.state.tick()
    assert fake.state.tick() == [], "one round at a time"
    assert ended(fake, run) == "SUCCEEDED", (tmp_path / "logs" / f"{run}.log").read_text()[-3000:]
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert (end.state, end.job) == ("PROMOTED", run)
    champion = open_registry(settings, store).champion(LOOP)
    assert champion is not None
    assert champion.version == "2"
    (shown,) = json.loads(ratchet("runs", "--loop", LOOP, "--json")[1])
    assert (shown["by"], shown["round"], shown["ended"]) == ("schedule", 1, "PROMOTED")
    stopped_in_the_middle(ratchet, fake, settings)
    refused_for_its_owner(fake, settings)


def stopped_in_the_middle(ratchet: Ratchet, fake: FakePipelines, settings: Settings) -> None:
    store = open_store(settings.root)
    run = json.loads(ratchet("submit", "--loop", LOOP, "--json")[1])["run"]
    until(lambda: rounds.read_run(store, LOOP, run) is not None, "the run opens no round")
    code, out, _ = ratchet("stop", run, "--why", "a test")
    assert (code, "FAILED: cancelled: a test" in out) == (0, True)
    assert ended(fake, run) == "CANCELED"
    end, lease = rounds.read_end(store, LOOP, 2), leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert end is not None
    assert (end.state, end.job) == ("FAILED", "cancel")
    assert lease is not None
    assert lease.released


def refused_for_its_owner(fake: FakePipelines, settings: Settings) -> None:
    """A schedule that somebody left on at the platform starts nothing in a loop that a trigger drives by now."""
    store = open_store(settings.root)
    policies.write_policy(store, LOOP, LoopPolicy(owner="trigger", recipe="rft"))
    (run,) = fake.state.tick()
    assert ended(fake, run) == "FAILED"
    assert rounds.numbers(store, LOOP) == [1, 2]
    refusal = read_refusal(store, LOOP, run)
    assert refusal is not None
    assert "belongs to its trigger, and this run was started by a schedule" in refusal.message
