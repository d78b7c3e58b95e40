"""MMHal-Bench: its template's rows, the judge's prompt, its replies, and the figures by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import FileProblem, suite
from tests.benchmarks import asked_of, marked_as, pictures, questions, written

MMHAL = suite("mmhal")
ROW = {
    "question_type": "attribute", "question_topic": "outdoor", "image_id": "bdb9b8ddfa5ee2e3",
    "image_src": "https://c5.staticflickr.com/8/7216/7201230424_8b1d1a4e4c_o.jpg",
    "image_content": ["Building", "Fire hydrant"], "question": "What color is the fire hydrant cap in the picture?",
    "gt_answer": "The color of the fire hydrant cap in the picture is yellow.", "model_answer": "",
}  # fmt: skip
OTHER = {**ROW, "question_type": "counting", "image_id": "0a", "image_src": "https://x.org/a.jpg"}


def folder(where: Path, *rows: dict[str, Any]) -> Path:
    return written(
        where, {"response_template.json": list(rows), **pictures("images/7201230424_8b1d1a4e4c_o.jpg", "images/0a.jpg")}
    )


def test_a_row_becomes_a_question_with_its_picture_by_either_name(tmp_path: Path) -> None:
    one, other = questions("mmhal", folder(tmp_path, ROW, OTHER))
    assert (one.text, one.category, other.category) == (ROW["question"], "attribute", "counting")
    assert one.facts == {"image_content": "Building, Fire hydrant"}


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"question_type": "mood"}, "question_type is 'mood', and must be one of attribute"),
        ({"gt_answer": None}, "no gt_answer"),
        ({"image_src": "https://x.org/b.jpg"}, "the folder has no picture b.jpg"),
    ],
)
def test_a_wrong_row_is_told(tmp_path: Path, changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(FileProblem, match=rf"response_template.json, row 1: {rule}"):
        questions("mmhal", folder(tmp_path, {**ROW, **changed}))


def test_the_judge_reads_the_published_prompt(tmp_path: Path) -> None:
    assert MMHAL.judged is not None
    (one,) = questions("mmhal", folder(tmp_path, ROW))
    asked = MMHAL.judged.ask(asked_of(one), "A {red} cap, {question}.")
    assert asked.startswith("Please act as an impartial and objective judge")
    assert asked.endswith(
        "### Image Contents\nBuilding, Fire hydrant\n\n### Question\nWhat color is the fire hydrant cap in the picture?\n\n"
        "### Standard Human-Generated Answer\nThe color of the fire hydrant cap in the picture is yellow.\n\n"
        "### LMM Response to Evaluate\nA {red} cap, {question}.\n"
    )


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("It is right. Rating: 6, very informative", 1.0), ("**Rating**: 3", 0.5), ("rating: 0", 0.0), ("Rating: 7", None),
        ("Rating: 2. No, Rating: 5", None), ("Rating: 4 ... Rating: 4", 4 / 6), ("good", None), ("", None),
        ("<think>Rating: 1</think>Rating: 5", 5 / 6), ("Rating: 16", None),
    ],
)  # fmt: skip
def test_one_rating_is_read_and_no_other_reply_is_a_score(tmp_path: Path, reply: str, score: float | None) -> None:
    assert MMHAL.judged is not None
    (one,) = questions("mmhal", folder(tmp_path, ROW))
    assert MMHAL.judged.read(asked_of(one), reply).score == score


def test_the_mean_and_the_rate_leave_out_what_is_unscored(tmp_path: Path) -> None:
    assert MMHAL.judged is not None
    asked = questions("mmhal", folder(tmp_path, ROW, ROW, OTHER, OTHER))
    replies = ["Rating: 6", "Rating: 2", "Rating: 3", "I would rather not"]
    rows = [marked_as(one, MMHAL.judged.read(asked_of(one), reply)) for one, reply in zip(asked, replies, strict=True)]
    found = MMHAL.metrics(rows)
    assert (found["rating"], found["hallucination_rate"], found["unscored"]) == (
        pytest.approx(11 / 3, abs=1e-6), pytest.approx(1 / 3, abs=1e-6), 1,
    )  # fmt: skip
    assert {name: part["rating"] for name, part in found["categories"].items()} == {"attribute": 4.0, "counting": 3.0}
