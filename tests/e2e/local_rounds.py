"""Rounds by the compiled pipeline under kfp.local in processes of their own: run to the end, or killed at a stage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ratchet.live import EventFile
from ratchet.local_run import LocalRun
from ratchet.settings import Settings
from ratchet.store import Store

LOOP = "local"
PATIENCE = 600.0
# No retries: where a stage fails on purpose, a second try five seconds later says nothing new.
PROFILE = "{name: test, retries: 0, parallelism: 2}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, value in {
        "OMP_NUM_THREADS": "1",
        "RATCHET_CACHE": str(tmp_path_factory.getbasetemp() / "kfp-cache"),
        "RATCHET_LEASE_SECONDS": "8",
        "RATCHET_LEASE_WAIT": "60",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        monkeypatch.setenv(name, value)


def local_run(settings: Settings, folder: Path, recipe: str) -> LocalRun:
    return LocalRun(LOOP, recipe, folder, settings.environment(), PROFILE)


def command_of(run: LocalRun) -> list[str]:
    return [
        *(sys.executable, "-m", "ratchet.pipelines.local", "--loop", run.loop),
        *("--recipe", run.recipe, "--profile", PROFILE),
    ]


def environment_of(run: LocalRun) -> dict[str, str]:
    run.folder.mkdir(exist_ok=True)
    return {**os.environ, **run.environment, "RATCHET_PROGRESS": str(run.progress)}


def completed(command: list[str], environment: dict[str, str], log: Path) -> tuple[int, str]:
    """Run to the end in a process group of its own, which goes whole if it takes too long. Exit code and log."""
    with log.open("wb") as sink:
        child = subprocess.Popen(
            command, env=environment, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        child.wait(PATIENCE)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return child.returncode, log.read_text(errors="replace")


def kill_at(run: LocalRun, store: Store, stage: str) -> None:
    """Start the pipeline in a process group of its own, and kill the whole group when `stage` has begun to tell of itself."""
    log = run.folder / "killed.log"
    environment = environment_of(run)
    run.progress.unlink(missing_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            command_of(run), env=environment, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not any(event["stage"] == stage for event in events(run.progress)):
            assert child.poll() is None, f"ended before {stage}: {log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"no {stage} in time: {log.read_text()[-3000:]}"
            time.sleep(0.02)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def events(path: Path) -> list[dict[str, Any]]:
    return EventFile(path).new()
