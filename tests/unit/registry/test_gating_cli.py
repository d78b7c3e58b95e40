"""`ratchet gate simulate`, `ratchet approve` and `ratchet reject` as they are typed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ratchet import rounds
from ratchet.cli.app import app
from ratchet.errors import RoundError
from ratchet.registry.approval import read_answer
from ratchet.registry.store_registry import StoreRegistry
from ratchet.store import open_store
from tests.unit.registry.rows import crown
from tests.unit.registry.test_approval import LOOP, wait

SIMULATE = ["gate", "simulate", "--loops", "20", "--rounds", "10", "--items", "200"]


def run(*arguments: str):
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_simulate_prints_its_tables_and_keeps_every_finished_study(tmp_path):
    out = tmp_path / "below" / "gate.json"
    shown = run(*SIMULATE, "--only", "no gain, one fixed set, one item a picture, by", "--out", str(out))
    assert shown.exit_code == 0
    assert "95% upper" in shown.stdout
    (kept,) = json.loads(out.read_text())
    assert (kept["study"]["fixed"], kept["wrong"]["of"], kept["study"]["rounds"]) == (True, 20, 10)
    assert "by 10" in run(*SIMULATE, "--only", "gain 5 points, exact").stdout


def test_simulate_as_json_is_json_and_an_unknown_study_is_a_usage_error():
    (found,) = json.loads(run(*SIMULATE, "--only", "gain 5 points, exact", "--json").stdout)
    assert found["within"]["1"] > 0.8
    assert run(*SIMULATE, "--only", "nothing").exit_code == 2


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    monkeypatch.setenv("RATCHET_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "store")
    store = open_store(str(tmp_path))
    registry = StoreRegistry(store)
    wait(store, registry, crown(registry, store, LOOP))
    return store


def test_approve_promotes_what_waits_and_keeps_who_said_so(waiting):
    said = run("approve", "--loop", LOOP, "--by", "ada", "--note", "fine")
    assert said.exit_code == 0
    assert said.stdout.startswith("PROMOTED: round 1 of loop mine, approved by ada")
    assert StoreRegistry(waiting).champion(LOOP).version == "2"
    with pytest.raises(RoundError, match="was approved by ada"):
        run("reject", "--loop", LOOP, "--round", "1")


def test_a_misspelt_loop_is_told_with_the_loops_that_there_are(waiting):
    with pytest.raises(RoundError, match=r"no loop 'none' with rounds .*; loops there: mine"):
        run("approve", "--loop", "none")


def test_a_user_without_a_name_is_asked_for_one(waiting, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    said = run("approve", "--loop", LOOP)
    assert said.exit_code == 2
    assert "--by NAME is needed" in said.output
    assert rounds.read_end(waiting, LOOP, 1).state == "PENDING"


def test_reject_leaves_the_champion_and_names_the_caller(waiting):
    assert run("reject", "--loop", LOOP).stdout.startswith("REFUSED: round 1 of loop mine, rejected by ")
    assert StoreRegistry(waiting).champion(LOOP).version == "1"
    assert rounds.read_end(waiting, LOOP, 1).state == "REFUSED"
    assert read_answer(waiting, LOOP, 1).by
