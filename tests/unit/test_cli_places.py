"""Misspelt folders and loops: refused as usage errors, and nothing is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratchet.cli import app as cli
from ratchet.settings import Settings
from tests.unit.loops import LOOP, new_loop


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = new_loop(tmp_path)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, [*arguments], env={"COLUMNS": "300"})
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("report",),
        ("cancel",),
        ("rollback",),
        ("resume",),
        ("export", "mine", "--out", "rows"),
    ],
)
def test_a_command_that_reads_makes_no_workplace_of_a_misspelt_folder(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, words = said(*command, "--embedded", "nosuch")
    assert code == 2
    assert (
        "nosuch is no embedded workplace; `ratchet services start nosuch` or `ratchet init --embedded nosuch`" in words
    )
    assert list(tmp_path.iterdir()) == []


def test_status_of_a_misspelt_loop_names_those_that_there_are(settings: Settings) -> None:
    code, words = said("status", "--loop", "misspelt")
    assert code == 2
    assert f"there is no loop misspelt; there are: {LOOP}" in words
    assert said("status", "--loop", LOOP)[0] == 0
