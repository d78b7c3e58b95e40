"""`ratchet bench methods`: its options and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ratchet.cli.app import app
from ratchet.cli.benching import _options
from ratchet.comparing.table import tables
from ratchet.errors import RecipeError


def one(**changes: Any) -> dict[str, Any]:
    delta = {"delta": 0.02, "low": -0.01, "high": 0.05}
    return {
        "method": "sft", "rows": 1000, "visits": 1600, "accuracy": 0.611, "chair_i": 0.02, "pope_f1": 0.8, "delta": delta,
        "deltas": {"chair_i": {"delta": -0.01, "low": -0.03, "high": 0.01}}, "spent": 20.4,
        "seconds": {"generate": 10.2, "verify": 0.1, "filter": 0.1, "train": 10.0}, **changes,
    }  # fmt: skip


def test_the_tables_say_what_was_measured_and_what_was_spent() -> None:
    arms = {
        "rft": one(),
        "no-captions": one(chair_i=None, deltas={"chair_i": None}),
        "broken": {"error": "TrainError: no"},
    }
    shown = tables({"unit": "CPU-s", "items": 900, "seed": one(), "comparisons": {"visits": arms, "seconds": {}}})
    assert "Equal training visits, 900 items:" in shown
    assert (
        "| `rft` | sft | 1,000 | 1,600 | 61.1 | +2.0 (-1.0 to +5.0) | 0.020 | -0.010 (-0.030 to +0.010) | 0.800 | 10 | 0 | 0 | 10 | 20 |"
    ) in shown
    assert "| `no-captions` | sft | 1,000 | 1,600 | 61.1 | +2.0 (-1.0 to +5.0) |  |  | 0.800 |" in shown
    assert "| `broken` | no result: TrainError: no |" in shown
    assert "| seed |  |  |  | 61.1 |  | 0.020 |  | 0.800 |" in shown
    assert {line.count("|") for line in shown.splitlines() if line.startswith("|")} == {15}


def test_quick_is_small_and_a_given_size_wins() -> None:
    assert (_options("rft", True, None, None).visits, _options("rft", True, None, None).seconds) == (1600, 20.0)
    assert _options("rft, stic", True, 99, None).model_dump(include={"recipes", "visits"}) == {
        "recipes": ("rft", "stic"),
        "visits": 99,
    }


def test_an_unknown_recipe_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "methods", "--out", str(tmp_path / "out"), "--recipes", "rft,nope"])
    assert isinstance(done.exception, RecipeError)
    assert "nope" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_list_without_a_recipe_is_refused() -> None:
    done = CliRunner().invoke(app, ["bench", "methods", "--recipes", ","])
    assert done.exit_code == 2
    assert "--recipes ',' names none" in done.output


def test_the_defaults_are_shipped_recipes() -> None:
    from ratchet import recipe
    from ratchet.comparing.bench import RECIPES

    missing = set(RECIPES) - set(recipe.names())
    assert missing == set(), f"{missing} are no shipped recipes"


@pytest.mark.parametrize("given", ["--visits", "--items"])
def test_no_size_is_zero(given: str) -> None:
    assert CliRunner().invoke(app, ["bench", "methods", given, "0"]).exit_code == 2
