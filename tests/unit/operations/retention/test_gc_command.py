"""`ratchet gc` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratchet.cli.app import app
from tests.unit.loops import new_loop


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = new_loop(tmp_path)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "store" / "answers" / "x").mkdir(parents=True)
    return tmp_path / "store"


def test_it_says_what_would_go_and_deletes_only_when_told(place: Path) -> None:
    import os

    old = place / "answers" / "x" / "a.jsonl"
    old.write_bytes(b"x" * 2048)
    os.utime(old, (1, 1))
    said = CliRunner().invoke(app, ["gc"])
    assert said.exit_code == 0, said.output
    assert "1 objects, 0.0 MiB would go; `--apply` deletes them" in said.output
    assert old.exists()
    done = json.loads(CliRunner().invoke(app, ["gc", "--apply", "--json"]).output)
    assert done["kinds"]["remembered answers"] == {"objects": 1, "bytes": 2048, "kept": 0}
    assert not old.exists()
    assert "nothing to delete" in CliRunner().invoke(app, ["gc", "--older-than", "4w"]).output


@pytest.mark.parametrize(("given", "words"), [("soon", "is no age; write such as 30d"), ("2h", "Give a day or more")])
def test_a_bad_age_is_told(place: Path, given: str, words: str) -> None:
    result = CliRunner().invoke(app, ["gc", "--older-than", given])
    assert result.exit_code != 0
    assert words in result.output.replace("\n", " ") + str(result.exception)
