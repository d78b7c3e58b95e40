"""The tables of docs/operations.md against the code."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from ratchet.cli.app import app
from ratchet.cli.cluster import PANEL
from ratchet.platform.asking import Patience
from ratchet.platform.release import OLDEST

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
OTHERS = ("loop", "trigger", "services")
"""Commands of other pages."""


def test_the_table_names_every_command_of_the_panel() -> None:
    table = set(re.findall(r"^\| `ratchet ([a-z ]+)` \|", TEXT, re.M))
    panel = {name for name, one in COMMANDS.items() if one.rich_help_panel == PANEL}
    schedule = {f"schedule {name}" for name in COMMANDS["schedule"].commands}
    assert table >= {"init", *schedule, "deploy", "submit", "runs", "logs", "stop"}
    assert {name.split()[0] for name in table} <= panel | {"init"}


def test_every_command_of_the_page_takes_a_profile() -> None:
    for path in re.findall(r"^\| `ratchet ([a-z ]+)` \|", TEXT, re.M):
        command = COMMANDS[path.split()[0]]
        for name in path.split()[1:]:
            command = command.commands[name]
        assert "--profile" in {option for parameter in command.params for option in parameter.opts}, path


def test_the_variables_are_those_that_the_client_reads() -> None:
    table = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.M))
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "ratchet" / "platform").glob("*.py"))
    read = set(re.findall(r"""["']((?:KFP|KF_PIPELINES)_[A-Z_]+)["']""", code))
    assert table == read


def test_the_patience_and_the_oldest_release_are_those_of_the_code() -> None:
    patience = Patience()
    assert f"{patience.connect:.0f} s to connect and {patience.answer:.0f} s to be answered" in TEXT
    assert patience.tries == 5
    assert "tried five times" in TEXT
    assert f"| KFP older than {'.'.join(map(str, OLDEST))} |" in TEXT
