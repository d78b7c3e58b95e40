"""Whole rounds of the tiny world in the images, by kfp.local's DockerRunner, against SeaweedFS and MLflow on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import docker
import pytest

from ratchet import loop, rounds
from ratchet.registry import open_registry
from ratchet.registry.looks import Looks
from ratchet.registry.promotion import history
from ratchet.settings import Settings
from ratchet.stage import STAGES
from ratchet.store import Store, open_store
from tests.e2e.rounds import LEARNING

pytestmark = [pytest.mark.slow, pytest.mark.images, pytest.mark.timeout(900)]
LOOP = "contained"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "8")
    monkeypatch.setenv("RATCHET_LEASE_WAIT", "60")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run_round(settings: Settings, profile: str, log: Path, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "ratchet.pipelines.local", "--runner", "docker", "--profile", profile]
    command += ["--loop", LOOP, "--recipe", LEARNING, *more]
    with log.open("wb") as sink:
        environment = {**os.environ, **settings.environment()}
        done = subprocess.run(command, env=environment, stdout=sink, stderr=subprocess.STDOUT, check=False)
    return done.returncode, log.read_text(errors="replace")


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    """Content digests of the undisturbed round, for the test after it."""
    return {}


def contents(store: Store) -> dict[str, str]:
    return {stage: manifest.content_digest for stage, manifest in rounds.manifests(store, LOOP, 1).items()}


def test_a_round_in_the_images_ends_with_a_promotion_in_mlflow(
    s3_root: str,
    mlflow_uri: str,
    profile_text: str,
    built: dict[str, Any],
    tiny_seed: Path,
    tmp_path: Path,
    digests: dict[str, str],
) -> None:
    settings = Settings(root=s3_root, registry=mlflow_uri)
    loop.init_loop(settings, LOOP, str(tiny_seed))
    code, log = run_round(settings, profile_text, tmp_path / "log")
    assert code == 0, log[-5000:]
    store = open_store(s3_root)
    check_end(settings, store)
    digests.update(contents(store))
    # It was the images' code that worked, not this checkout's.
    revisions = {manifest.code_revision for manifest in rounds.manifests(store, LOOP, 1).values()}
    assert len(revisions) == 1
    assert "pip install" not in log


class Killer:
    """SIGKILL to the first container of each stage, as an evicted pod gets it."""

    def __init__(self) -> None:
        self.killed: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        client = docker.from_env()
        try:
            while not self._stop.is_set():
                for container in client.containers.list(filters={"label": f"ratchet.loop={LOOP}"}, ignore_removed=True):
                    self._kill(container)
                time.sleep(0.1)
        finally:
            client.close()

    def _kill(self, container: Any) -> None:
        arguments = container.attrs["Args"]
        stage = arguments[arguments.index("--function_to_execute") + 1]
        if stage not in self.killed:
            # Some work is done by then: Python is up, and imports.
            time.sleep(1.0)
            container.kill("SIGKILL")
            self.killed.append(stage)


def test_a_container_killed_in_each_stage_is_retried_and_the_round_is_the_same(
    s3_root: str, profile_text: str, tiny_seed: Path, tmp_path: Path, digests: dict[str, str]
) -> None:
    assert digests, "the undisturbed round before this test did not end"
    settings = Settings(root=s3_root, registry="store")
    loop.init_loop(settings, LOOP, str(tiny_seed))
    with Killer() as killer:
        code, log = run_round(settings, profile_text, tmp_path / "log")
    assert sorted(killer.killed) == sorted(STAGES), log[-3000:]
    assert code == 0, log[-5000:]
    store = open_store(s3_root)
    check_end(settings, store)
    assert contents(store) == digests


def check_end(settings: Settings, store: Store) -> None:
    """One round, one candidate, one look, one promotion."""
    assert rounds.numbers(store, LOOP) == [1]
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert (end.state, end.champion, end.candidate) == ("PROMOTED", "2", "2")
    registry = open_registry(settings, store)
    assert [version.version for version in registry.versions(LOOP)] == ["1", "2"]
    assert [(move.intent.kind, move.moved) for move in history(store, LOOP)] == [("seed", True), ("promotion", True)]
    assert Looks(store, rounds.read_round(store, LOOP, 1).family).next_number() == 2
    assert store.exists(f"{rounds.round_prefix(LOOP, 1)}/report.html")
