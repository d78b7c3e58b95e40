"""The tables of docs/loops.md against the code: the states of a round and their runs, the stop rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from ratchet.operations.policy import StopRules
from ratchet.operations.stopping import RULES
from ratchet.registry import tracking
from ratchet.rounds import RoundEnd, State

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "loops.md").read_text(encoding="utf-8")
STATES = dict(re.findall(r"^\| `([A-Z]+)` \|.*\| ([^|]+) \|$", TEXT, re.M))
STOPS = dict(re.findall(r"^\| `([a-z_]+)` \|.*\| ([^|]+) \|$", TEXT, re.M))


def test_every_state_has_its_row() -> None:
    assert set(STATES) == set(get_args(State))


@pytest.mark.parametrize("state", get_args(State))
def test_the_run_of_a_state_is_the_codes(state: State) -> None:
    assert f"`{tracking.ended_as(RoundEnd(state=state, reason='', job='a'))}`" in STATES[state].split(",")[0]


def test_a_cancelled_round_has_a_killed_run() -> None:
    end = RoundEnd(state="FAILED", reason="", job=tracking.CANCELLED)
    assert f"cancelled: `{tracking.ended_as(end)}`" in STATES["FAILED"]


def test_every_stop_rule_has_its_row_and_its_default() -> None:
    assert set(STOPS) == set(StopRules.model_fields) == set(RULES)
    said = {None: "never", True: "yes"}
    assert {name: said[field.default] for name, field in StopRules.model_fields.items()} == STOPS
