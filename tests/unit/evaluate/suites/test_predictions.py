"""Stored answers are scored, or refused with what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratchet.evaluate.suites.predictions import PredictionsProblem
from ratchet.evaluate.suites.scoring import score_file
from ratchet.recipe import SuiteConfig
from tests.unit.evaluate.suites.benchmark import pope


@pytest.fixture
def files(tmp_path: Path) -> str:
    return str(pope(tmp_path / "files"))


def scored(source: str, file: Path) -> dict[str, Any]:
    return score_file(SuiteConfig(name="pope", source=source), file)


def written(tmp_path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def answers(said: str = "Yes.") -> list[dict[str, Any]]:
    return [{"key": f"random-{number}", "prediction": said} for number in range(12)]


def test_stored_answers_get_the_suites_own_figures(tmp_path: Path, files: str) -> None:
    found = scored(files, written(tmp_path, answers()))
    assert found["figures"]["accuracy"] == 0.5
    assert found["figures"]["recall"] == 1.0
    assert found["figures"]["categories"]["random"]["yes_ratio"] == 1.0
    assert found["items"] == 12


def test_parquet_is_read_as_json_lines_are(tmp_path: Path, files: str) -> None:
    file = tmp_path / "answers.parquet"
    pq.write_table(pa.Table.from_pylist([{"id": row["key"], "answer": row["prediction"]} for row in answers()]), file)
    assert scored(files, file)["figures"] == scored(files, written(tmp_path, answers()))["figures"]


def test_what_was_not_answered_stays_unscored_and_is_not_wrong(tmp_path: Path, files: str) -> None:
    unanswered = {"prediction": "", "score": None, "counts": {}}
    right = scored(files, written(tmp_path, [{**row, "score": 0.0} for row in answers()]))
    rows = [{**row, **(unanswered if number < 4 else {})} for number, row in enumerate(answers())]
    found = scored(files, written(tmp_path, rows))["figures"]
    assert (found["unscored"], found["rates"]["unscored"], found["rates"]["unparsed"]) == (4, pytest.approx(1 / 3), 0.0)
    assert found["accuracy"] == right["figures"]["accuracy"] == 0.5, "a rule does not take scores from the file"
    assert found["rates"]["clipped"] is None, "the file does not say it"


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        (answers()[:-2], r"2 questions of POPE have no prediction \(random-10, random-11\)"),
        ([*answers(), {"key": "random-77", "prediction": "no"}], r"1 predictions answer no question of POPE \(random-77\)"),
        ([*answers(), answers()[3]], r"answers 1 questions more than once \(random-3\)"),
        ([{**answers()[0], "score": float("nan")}], r"row 1 \(key 'random-0'\): its score is not a number"),
        ([{**answers()[0], "score": 7}], r"row 1 \(key 'random-0'\): its score is 7"),
        ([{**answers()[0], "score": 1, "counts": {"a": "x"}}], r"row 1 \(key 'random-0'\): its counts have 'a' 'x'"),
        ([{**answers()[0], "score": 1, "counts": {"a": float("inf")}}], "its counts have 'a' inf, which is no number"),
        ([{**answers()[0], "score": 1, "counts": [1]}], "its counts is a list, and must be an object"),
        ([{"prediction": "yes"}], "row 1: no key or id or question_id"),
        ([{"key": "random-0", "prediction": None}], "no prediction or text"),
        ([], "holds no prediction"),
    ],
)  # fmt: skip
def test_predictions_that_do_not_fit_are_refused(
    tmp_path: Path, files: str, rows: list[dict[str, Any]], rule: str
) -> None:
    with pytest.raises(PredictionsProblem, match=rule):
        scored(files, written(tmp_path, rows))


def test_unreadable_files_are_refused(tmp_path: Path, files: str) -> None:
    for name, content in (("a.jsonl", "{"), ("a.parquet", "PAR1"), ("a.txt", "yes"), ("a.jsonl", "[1]")):
        file = tmp_path / name
        file.write_text(content)
        with pytest.raises(PredictionsProblem, match=name):
            scored(files, file)
    with pytest.raises(PredictionsProblem, match="no file"):
        scored(files, tmp_path / "none.jsonl")


def test_output_that_cannot_be_read_at_all_is_told_loudly(tmp_path: Path, files: str) -> None:
    found = scored(files, written(tmp_path, answers("I see a picture.")))
    assert found["figures"]["accuracy"] == 0.0
    (note,) = (one for one in found["notes"] if "could be read" in one)
    assert "say nothing of what the model knows" in note
