"""The quick start of docs/trigger.md as it is typed: commands alone make a loop, give it to the trigger, and a round starts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ratchet import canonical
from ratchet.store import open_store
from tests.trigger_processes import within

LOOP = "mine"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "trigger.md"
RATCHET = Path(sys.executable).with_name("ratchet")


def typed() -> list[str]:
    """The first block of the page, line by line."""
    block = re.search(r"```\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert block is not None
    return block[1].strip().splitlines()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    known = {k: v for k, v in os.environ.items() if not k.startswith(("RATCHET_", "MLFLOW_", "KFP_"))}
    path = f"{RATCHET.parent}{os.pathsep}{os.environ['PATH']}"
    return {**known, "PATH": path, "RATCHET_ROOT": str(tmp_path / "store"), "RATCHET_REGISTRY": "store"}


@contextmanager
def served(line: str, environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / "serve.log").open("wb") as log:
        # The port is any free one: other tests serve at the same time.
        command = f"exec {line} --port 0 --poll 1"
        server = subprocess.Popen(
            ["bash", "-c", command], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        server.terminate()
        server.wait(240)


def end_rounds(root: str) -> None:
    """The rounds outlive the trigger: that they began is enough here."""
    store = open_store(root)
    for one in store.list(f"loops/{LOOP}/local/"):
        with suppress(ProcessLookupError):
            os.killpg(canonical.loads(store.get(store.key(one.uri)))["pid"], signal.SIGKILL)


@pytest.mark.slow
def test_the_quick_start_works_as_typed(environment: dict[str, str], tmp_path: Path) -> None:
    *before, serve = typed()

    def asks() -> list[dict[str, Any]]:
        command = [RATCHET, "trigger", "status", "--loop", LOOP, "--json"]
        said = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=True)
        (found,) = json.loads(said.stdout)
        return [one for one in found["asks"] if one["run"]]

    for line in before:
        subprocess.run(["bash", "-ec", line], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert asks() == []
    store = open_store(environment["RATCHET_ROOT"])
    with served(serve, environment, tmp_path):
        try:
            assert within(240, lambda: store.exists(f"loops/{LOOP}/trigger/asks/0001.started.json")), (
                tmp_path / "serve.log"
            ).read_text()
            (started,) = asks()
            begun = within(240, lambda: store.exists(f"loops/{LOOP}/rounds/0001/round.json"))
        finally:
            end_rounds(environment["RATCHET_ROOT"])
    logs = "".join(p.read_text(errors="replace") for p in tmp_path.glob("ratchet-runs/*/logs/*.log"))
    assert begun, logs[-3000:]
    assert started["cause"] == "move"
