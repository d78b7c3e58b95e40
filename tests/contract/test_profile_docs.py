"""docs/profile.md against the code: every field with its default and the place in the IR where it lands, every shipped profile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.main import get_command

from ratchet.cli.app import app
from ratchet.pipelines.defaults import POD
from ratchet.profile import Profile, Resources, Security, loading
from ratchet.profile.tasks import PLACES, TIMEOUTS
from tests.contract.compiled import compiled
from tests.contract.test_placement import CLUSTER

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "profile.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.M)
PARTS = TEXT.split("\nOf ")
TABLES: list[tuple[type[BaseModel], str]] = [
    (Profile, PARTS[0].split("## Every field")[1]),
    (Resources, PARTS[1]),
    (Security, PARTS[2].split("\n## ")[0]),
]


@pytest.mark.parametrize(("model", "table"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_every_field_has_its_row_in_order(model: type[BaseModel], table: str) -> None:
    assert [row[0] for row in ROW.findall(table)] == [*model.model_fields]


@pytest.mark.parametrize(("model", "table"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_defaults_in_code_marks_are_the_models(model: type[BaseModel], table: str) -> None:
    said = {name: default.strip("`") for name, default, *_ in ROW.findall(table) if default.startswith("`")}
    said |= {name: default for name, default, *_ in ROW.findall(table) if default.isdigit()}
    plain = {name: getattr(model(), name) for name in said}
    assert said == {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in plain.items()
    }
    unsaid = {name for name, default, *_ in ROW.findall(table) if default == "none"}
    assert not any(getattr(model(), name) for name in unsaid)


@pytest.fixture(scope="module")
def text() -> str:
    given: dict[str, Any] = CLUSTER | {"queue": "all", "tolerations": [{"key": "x"}]}
    made: str = compiled(Profile.model_validate(given))["text"]
    return made


@pytest.mark.parametrize(("model", "table"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_each_field_lands_where_its_row_says(model: type[BaseModel], table: str, text: str) -> None:
    for name, _, _, lands in ROW.findall(table):
        found = re.fullmatch(r"`([^`]+)`('s (profile|launcher))?", lands)
        assert found or "not compiled" in lands or "the run;" in lands, name
        if found:
            assert f"{found[3] or found[1]}:" in text, name


def test_times_and_stages_are_the_codes() -> None:
    short = [stage for stage, time in TIMEOUTS.items() if time == "1h"]
    assert f"| `timeouts` | 24h; 1h for {', '.join(short)} |" in TEXT
    assert {*TIMEOUTS.values()} == {"1h", "24h"}
    assert f"under `resources`: {', '.join(PLACES).replace('generate,', 'generate (its shards too),')}." in TEXT
    assert all(variable in TEXT for variable in POD)


def test_every_shipped_profile_has_its_row() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| [^|]+ \|$", TEXT.split("## Shipped profiles")[1].split("##")[0], re.M)
    assert rows == loading.names()


def test_every_command_exists_with_its_options() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for line in re.findall(r"^ratchet ([^#\n]+)", TEXT, re.M):
        words = line.split()
        command = commands[words[0]]
        command = command.commands[words[1]] if hasattr(command, "commands") else command
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line
