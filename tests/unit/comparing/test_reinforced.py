"""`ratchet bench methods` with an arm of reinforcement learning, from the command to its tables, on a handful of prompts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratchet.cli import benching
from ratchet.cli.app import app
from ratchet.tinyworld.seed import SEED_DIR

GRPO = """
name: micro-rl
seed: 7
generate: {strategy: random, k: 4, temperature: 1.0, max_new_tokens: 8}
filter: {uses: [rl]}
train:
  method: grpo
  batch_size: 8
  learning_rate: 1.0e-4
  warmup_ratio: 0.0
  rl: {k: 4, max_new_tokens: 8}
"""


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """The shipped seed, which is right often enough to be rewarded, as somebody's own: its labels are not known."""
    folder = tmp_path / "seed"
    shutil.copytree(SEED_DIR, folder)
    (folder / "notes.txt").write_text("a seed of one's own\n")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_reinforcement_is_compared_at_equal_visits_and_at_equal_seconds(
    seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benching, "QUICK", {"visits": 32, "seconds": 4.0, "prompts": 36})
    monkeypatch.setattr(benching, "QUICK_POOL", 108)
    recipe, out = tmp_path / "micro.yaml", tmp_path / "out"
    recipe.write_text(GRPO)
    given = ["--quick", "--items", "27", "--seed", str(seed), "--recipes", str(recipe), "--out", str(out)]
    done = CliRunner().invoke(app, ["bench", "methods", *given])
    assert done.exit_code == 0, done.output
    result = json.loads((out / "result.json").read_text())
    visits, seconds = (result["comparisons"][name]["micro-rl"] for name in ("visits", "seconds"))
    # A visit of a prompt is k answers: four steps of two prompts with four answers each.
    assert (visits["method"], visits["visits"], visits["size"]["steps"]) == ("grpo", 32, 4)
    assert seconds["visits"] == 8 * seconds["size"]["steps"]
    for one in (visits, seconds):
        assert one["delta"]["n"] == 27
        assert one["seconds"]["train"] > 0
    assert done.output.count("| `micro-rl` | grpo |") == 2
