"""`ratchet trigger ...` from the shell: what is refused before anything starts, and what is printed."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.program import Ratchet, program
from tests.triggered import LOOP, SECRET, Ground


@pytest.fixture
def trigger(ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ratchet:
    monkeypatch.setenv("RATCHET_ROOT", ground.store.root)
    monkeypatch.setenv("RATCHET_REGISTRY", "store")
    monkeypatch.delenv("RATCHET_WEBHOOK_SECRET_FILE", raising=False)
    monkeypatch.setenv("RATCHET_WEBHOOK_SECRET", SECRET)
    return program(monkeypatch, capsys, "trigger")


@pytest.mark.parametrize("given", [[], ["--loop", "mine", "--all"]])
def test_loops_are_named_or_all_are_served(trigger: Ratchet, given: list[str]) -> None:
    code, _, said = trigger("serve", *given)
    assert code == 2
    assert "name the loops with --loop, or say --all" in said.replace("│ ", "")


def test_without_a_secret_webhooks_are_not_served(trigger: Ratchet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RATCHET_WEBHOOK_SECRET")
    code, _, said = trigger("serve", "--loop", LOOP, "--start", "local")
    assert code == 1
    assert "--no-webhooks" in said


def test_a_port_that_is_taken_is_named(trigger: Ratchet, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, _, said = trigger("serve", "--loop", LOOP, "--start", "local", "--port", port, "--folder", str(tmp_path))
    assert code == 10
    assert f"127.0.0.1:{port}" in said
    assert SECRET not in said


def test_a_registry_in_the_store_has_no_webhooks(trigger: Ratchet) -> None:
    code, _, said = trigger("register", "--url", "http://127.0.0.1:1/webhooks/mlflow")
    assert code == 2
    assert "the trigger polls it" in said.replace("│ ", "")


def test_the_status_tells_of_asks_and_their_runs(trigger: Ratchet, ground: Ground) -> None:
    ground.look()
    code, out, _ = trigger("status", "--loop", LOOP)
    assert code == 0
    assert "rounds started by: trigger" in out
    _, out, _ = trigger("status", "--json")
    [found] = json.loads(out)
    [ask] = found["asks"]
    assert (ask["cause"], ask["move"], ask["run"]) == (
        "move",
        1,
        ground.starter.start(ground.starter.requests()[0]).run,
    )
    assert [move["target"] for move in found["moves"]] == ["1"]
