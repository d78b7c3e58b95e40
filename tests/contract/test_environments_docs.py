"""The tables of docs/environments.md against the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from ratchet import recipe as recipes
from ratchet.verify.environments import STATES
from ratchet.verify.environments.verifiers import THRESHOLDS
from ratchet.verify.sandbox.confine import COMPUTING
from ratchet.verify.sandbox.languages import Canvas
from ratchet.verify.sandbox.outcome import NOBODYS, Reason

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "environments.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| .* \| (`\w+`(?:, `\w+`)*) \| `([\w-]+)` \|$", TEXT, re.M)
REASONS = re.findall(r"^\| `(\w+)` \| .* \| (0|unscored|by likeness) \|$", TEXT, re.M)


def test_every_environment_has_a_row() -> None:
    assert [name for name, *_ in ROWS] == list(STATES)


@pytest.mark.parametrize(("name", "state", "recipe"), ROWS)
def test_a_row_names_the_state_and_a_recipe_that_uses_it(name: str, state: str, recipe: str) -> None:
    assert re.findall(r"\w+", state) == list(STATES[name].model_fields)
    assert [one.name for one in recipes.load(recipe).verify.chosen] == [name]


def test_every_end_of_a_program_has_a_row_and_its_verdict() -> None:
    assert [reason for reason, _ in REASONS] == list(get_args(Reason))
    assert {reason for reason, verdict in REASONS if verdict == "unscored"} == NOBODYS


def test_the_numbers_and_names_in_the_text_are_the_codes() -> None:
    assert (THRESHOLDS["words"], THRESHOLDS["svg"], THRESHOLDS["python"]) == (0.995, 0.9, 0.9)
    assert len(COMPUTING) == 20
    drawn = {name for name in vars(Canvas) if not name.startswith("_")}
    assert drawn == set(re.findall(r"`(\w+)`", TEXT.partition("draws on `canvas`:")[2].partition("\n- ")[0]))
