"""What the pages tell a person to type exists, and what they link is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ratchet.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", sorted(set(re.findall(r"`ratchet ([^`]+)`", PAGE))))
def test_every_command_exists_with_its_options(line: str) -> None:
    words = line.split()
    command: Any = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not getattr(command, "commands", {}), line
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known, line


def test_every_check_that_is_named_is_one_of_preflight() -> None:
    from ratchet.preflight.catalogue import CHECKS

    assert set(re.findall(r"--only (\w+)`", PAGE)) <= {one.name for one in CHECKS}


def test_every_page_that_is_linked_exists() -> None:
    named = set(re.findall(r"docs/(\w+)\.md", PAGE + (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {name for name in named if not (ROOT / "docs" / f"{name}.md").is_file()} == set()
    assert len(named) > 15
