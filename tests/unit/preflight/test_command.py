"""`ratchet preflight`: the table, JSON, names of checks, and exit code 12."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratchet.cli.app import app
from ratchet.errors import RecipeError
from ratchet.preflight.catalogue import CHECKS
from ratchet.preflight.mending import MENDS
from tests.unit.loops import LOOP, new_loop
from tests.unit.preflight.checks import SMALL


@pytest.fixture(autouse=True)
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    for name, value in new_loop(tmp_path).environment().items():
        monkeypatch.setenv(name, value)


def command(*words: str) -> Result:
    return CliRunner().invoke(app, ["preflight", *words])


def test_a_loop_that_has_all_ends_with_0() -> None:
    done = command("--loop", LOOP, "--recipe", SMALL, "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["ok"], said["failed"]) == (0, True, [])
    assert [one["check"] for one in said["checks"]] == [one.name for one in CHECKS]


def test_a_failure_ends_with_12_and_says_how_to_mend_it() -> None:
    done = command("--loop", "other", "--only", "champion", "--only", "store")
    assert done.exit_code == 12
    assert "ratchet init --loop other" in done.stdout
    assert "1 ok, 0 warn, 1 fail, 0 skipped" in done.stdout
    done = command("--loop", "other", "--only", "champion", "--json")
    assert (done.exit_code, json.loads(done.stdout)["failed"]) == (12, ["champion"])


def test_checks_can_be_left_out_and_listed() -> None:
    assert command("--loop", "other", "--skip", "champion").exit_code == 0
    listed = json.loads(command("--list", "--json").stdout)
    assert [(one["check"], one["begin"]) for one in listed] == [(one.name, one.begins) for one in CHECKS]
    assert {one["check"]: one["mend"] for one in listed} == dict(MENDS)
    assert "conditional puts" in command("--list").stdout


def test_a_name_that_is_no_check_or_stage_is_a_usage_error() -> None:
    assert isinstance(command("--only", "stroe").exception, RecipeError)
    assert command("--stage", "trian").exit_code == 2
