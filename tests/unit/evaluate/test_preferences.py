"""A recipe's verifiers on pairs of answers: by scores, by comparison, and through the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ratchet.cli.app import app
from ratchet.errors import RecipeError
from ratchet.evaluate.preferences import PreferenceOptions, measure
from ratchet.recipe import SuiteConfig, parse
from ratchet.store import FolderStore
from tests.benchmarks import encoded, parquet
from tests.judge_server import JudgeServer, serving

ROWS = [
    {"id": "RLAIF-V-1", "query": "What is it?", "response": ["a good dog", "a bad dog"], "image": encoded(), "human_ranking": [0, 1]},
    {"id": "wildvision-2", "query": "How many?", "response": ["a bad two", "a good three"], "image": encoded("blue"), "human_ranking": [1, 0]},
    {"id": "mathverse_3", "query": "x?", "response": ["a bad 1", "a bad 2"], "image": encoded("green"), "human_ranking": [0, 1]},
]  # fmt: skip


def said(text: str) -> str:
    """A judge that knows good from bad, and prefers the first of two that are alike."""
    if "First answer" in text:
        first, second = (text.partition(mark)[2].partition("»»»")[0] for mark in ("First answer:", "Second answer:"))
        return "second" if "bad" in first and "good" in second else "first"
    return "correctness: 9" if "good" in text else "correctness: 2"


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving(JudgeServer(said)) as judge:
        yield judge


def recipe(server: JudgeServer) -> dict[str, Any]:
    return {
        "name": "judged",
        "verify": {
            "verifiers": [
                {"name": "pairwise", "judge": "j"},
                {"name": "rubric", "judge": "j", "criteria": {"correctness": 1}, "lowest": 1, "highest": 10},
            ],
            "judges": {"j": {"engine": {"kind": "endpoint", "url": server.url}}},
        },
    }


def test_verifiers_are_scored_by_comparison_and_by_scores(tmp_path: Path, server: JudgeServer) -> None:
    chosen = SuiteConfig(name="vl_rewardbench", source=str(parquet(tmp_path / "files", "data/test-0.parquet", ROWS)))
    options = PreferenceOptions(parse(recipe(server)).verify, chosen)
    found = measure(FolderStore(str(tmp_path / "store")), options)["verifiers"]
    # The third pair: by comparison it depends on the order, so there is no opinion; by scores it is a tie.
    pairwise, rubric = found["pairwise"], found["rubric"]
    assert (pairwise["accuracy"], pairwise["unscored"], pairwise["pairs"]) == (1.0, 1, 3)
    assert (rubric["accuracy"], rubric["ties"], rubric["unscored"]) == (
        pytest.approx(2.5 / 3, abs=1e-6), pytest.approx(1 / 3, abs=1e-6), 0,
    )  # fmt: skip
    assert rubric["macro"] == pytest.approx(2.5 / 3, abs=1e-6)
    assert server.pictures == server.asked.total(), "each question shows the picture"


def test_a_seed_as_judge_needs_a_model(tmp_path: Path) -> None:
    chosen = SuiteConfig(name="vl_rewardbench", source=str(parquet(tmp_path / "files", "data/test-0.parquet", ROWS)))
    config = parse({"name": "t", "verify": {"verifiers": ["pairwise"]}}).verify
    with pytest.raises(RecipeError, match=r"verifier pairwise asks judge 'seed', the seed of a round.*\(--seed\)"):
        measure(FolderStore(str(tmp_path / "store")), PreferenceOptions(config, chosen))


def test_a_recipe_without_verifiers_has_nothing_to_measure(tmp_path: Path) -> None:
    chosen = SuiteConfig(name="vl_rewardbench", source=str(tmp_path))
    with pytest.raises(RecipeError, match="names no verifiers of its own"):
        measure(FolderStore(str(tmp_path)), PreferenceOptions(parse({"name": "t"}).verify, chosen))


def test_the_command_prints_a_row_for_each_verifier(
    tmp_path: Path, server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RATCHET_ROOT", raising=False)
    files = parquet(tmp_path / "files", "data/test-0.parquet", ROWS)
    (tmp_path / "judged.yaml").write_text(json.dumps(recipe(server)))
    command = [
        "evaluate", "verifiers", "--from", str(files), "--recipe", str(tmp_path / "judged.yaml"), "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert [line.split()[:2] for line in done.stdout.splitlines() if line.startswith(("pairwise", "rubric"))] == [
        ["pairwise", "1.0000"], ["rubric", "0.8333"],
    ]  # fmt: skip
    whole = CliRunner().invoke(app, [*command, "--json"])
    assert set(json.loads(whole.stdout)["verifiers"]) == {"pairwise", "rubric"}
