"""The page of platform limits names what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and "|---" not in line]


def test_every_row_names_files_that_exist() -> None:
    named = [name for row in ROWS for name in re.findall(r"`([^`]+)`", row[-1])]
    assert len(named) >= len(ROWS) - 2
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_limit_links_its_public_thread_under_its_own_number() -> None:
    limits = [row for row in ROWS if len(row) == 4 and row[0] != "limit"]
    assert len(limits) >= 20
    for row in limits:
        links = re.findall(
            r"\[(\d+)\]\((https://github\.com/(?:kubeflow/pipelines|mlflow/mlflow)/(?:issues|pull)/(\d+))\)", row[1]
        )
        assert links, row[0]
        assert all(shown == number for shown, _, number in links), row[1]


def test_every_command_that_the_page_names_exists() -> None:
    from typer.main import get_command

    from ratchet.cli.app import app

    known = get_command(app).commands  # type: ignore[attr-defined]
    assert {word for word in re.findall(r"`ratchet ([a-z]+)", PAGE) if word not in known} == set()
