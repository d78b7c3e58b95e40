"""MME: two questions a picture, acc and acc+ by hand, sums only of what is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import FileProblem
from ratchet.evaluate.suites.mme import COGNITION, PERCEPTION
from tests.benchmarks import encoded, figures, parquet, questions


def row(picture: str, answer: str, category: str = "code_reasoning", **changed: Any) -> dict[str, Any]:
    return {
        "question_id": f"{category}/{picture}.png", "image": encoded(), "answer": answer, "category": category,
        "question": "The image shows a python code. Is the output of the code 'Hello'? Please answer yes or no.", **changed,
    }  # fmt: skip


def folder(where: Path, *rows: dict[str, Any]) -> Path:
    return parquet(where, "data/test-00000-of-00004-a25dbe3b44c4fda6.parquet", rows)


def test_a_picture_is_asked_about_twice_with_the_harness_prompt(tmp_path: Path) -> None:
    one, other = questions("mme", folder(tmp_path, row("0020", "Yes"), row("0020", "No")))
    assert one.text == (
        "The image shows a python code. Is the output of the code 'Hello'?\nAnswer the question using a single word or phrase."
    )
    assert (one.unit, one.key, other.key) == (other.unit, f"{one.unit}/1", f"{one.unit}/2")
    assert (one.reference, other.reference, one.category) == ("yes", "no", "code_reasoning")


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([row("1", "Yes"), row("1", "No"), row("1", "No")], "row 3: .* is asked about a third time"),
        ([row("1", "Yes", "smell")], "row 1: category is 'smell', and must be one of existence"),
        ([row("1", "Maybe")], "row 1: answer is 'maybe', and must be one of yes, no"),
        ([row("1", "Yes", image=None)], "row 1: no image"),
    ],
)
def test_a_wrong_file_is_told_with_its_row(tmp_path: Path, rows: list[dict[str, Any]], rule: str) -> None:
    with pytest.raises(FileProblem, match=rf"test-00000-of-00004-a25dbe3b44c4fda6.parquet, {rule}"):
        questions("mme", folder(tmp_path, *rows))


def test_acc_and_acc_plus_by_hand(tmp_path: Path) -> None:
    rows = [row(picture, answer, "count") for picture in ("1", "2") for answer in ("Yes", "No")]
    found = figures("mme", questions("mme", folder(tmp_path, *rows)), lambda _: "yes")
    count = found["categories"]["count"]
    assert (count["accuracy"], count["accuracy_plus"], count["score"], count["pictures"]) == (0.5, 0.0, 50.0, 2)
    right = {one.key: str(one.reference) for one in questions("mme", tmp_path)}
    half = {**right, "count/count/2.png/2": "I cannot tell"}
    found = figures("mme", questions("mme", tmp_path), half)
    count = found["categories"]["count"]
    assert (count["accuracy"], count["accuracy_plus"], count["score"], count["unparsed"]) == (0.75, 0.5, 125.0, 0.25)


def test_halves_are_sums_of_all_their_subtasks_or_nothing(tmp_path: Path) -> None:
    rows = [row("1", answer, subtask) for subtask in (*PERCEPTION, *COGNITION) for answer in ("Yes", "No")]
    asked = questions("mme", folder(tmp_path, *rows))
    found = figures("mme", asked, lambda one: str(one.reference))
    assert (found["perception"], found["cognition"], found["score"]) == (2000.0, 800.0, 2800.0)
    found = figures("mme", [one for one in asked if one.category != "OCR"], lambda one: str(one.reference))
    assert (found["perception"], found["cognition"], found["score"]) == (None, 800.0, None)
