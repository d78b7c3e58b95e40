"""Answers beside what needs no picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ratchet.errors import PromptSetError
from ratchet.evaluate.suites import Drawing, Question, suite
from ratchet.evaluate.suites.procedural.study import constant, guess, main, marked

SPATIAL = suite("spatial")


def drawn(part: str, n: int = 120, size: int = 48, name: str = "spatial") -> list[Question]:
    found = suite(name).draw
    assert found is not None
    return list(found(Drawing(n, "study", size, (part,), "report")))


@pytest.mark.parametrize(
    ("part", "name", "size", "accuracy", "sets"),
    [
        ("relation", "spatial", 48, 1 / 2, 1 / 4),
        ("place", "spatial", 48, 1 / 9, 1 / 81),
        ("small-count", "spatial", 48, 1 / 6, 1 / 36),
        ("contradiction", "multi-view", 48, 1 / 2, 1 / 16),
        ("small-colour", "spatial", 224, 1 / 8, 1 / 64),
    ],
)
def test_a_guess_gets_what_choosing_at_random_gets(
    part: str, name: str, size: int, accuracy: float, sets: float
) -> None:
    assert guess(drawn(part, 24, size, name)) == pytest.approx((accuracy, sets))


def test_points_cannot_be_guessed() -> None:
    assert guess(drawn("pointing", 2, 224)) is None


@pytest.mark.parametrize("part", ["relation", "small-exist", "place", "beside", "small-count"])
def test_a_constant_answer_gets_no_pair_and_few_items(part: str) -> None:
    _, accuracy, sets = constant(SPATIAL, drawn(part))
    assert sets == 0
    assert accuracy <= {"relation": 0.5, "small-exist": 0.5}.get(part, 0.34)


def test_the_middle_of_the_picture_is_no_good_point() -> None:
    answer, accuracy, _ = constant(SPATIAL, drawn("pointing", 60, 224))
    assert (answer, accuracy <= 0.05) == ("(50, 50)", True)


def test_a_missing_answer_is_an_error() -> None:
    questions = drawn("place", 4)
    with pytest.raises(PromptSetError, match="no answer to report-place-0-1"):
        marked(SPATIAL, questions, {questions[0].key: "top left"})


def test_the_table_has_a_row_for_each_part_and_band(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = SPATIAL.draw
    assert found is not None
    questions = list(found(Drawing(60, "study", 48, split="report")))
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps({"key": q.key, "prediction": q.reference}) + "\n" for q in questions))
    main(["spatial", "--items", "60", "--size", "48", "--salt", "study", "--predictions", str(file)])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    names = ["relation", "beside", "place", "small-count", "small-exist", "easy", "medium", "hard"]
    assert [row[0] for row in rows[2:]] == names
    assert all(row[4].startswith("100.0 (") and row[8].startswith("100.0 (") for row in rows[2:])
    assert all(row[7] == "0.0" for row in rows[2:7])
