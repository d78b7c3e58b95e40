"""HallusionBench: both of its formats, and aAcc, qAcc and fAcc by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import FileProblem
from tests.benchmarks import encoded, figures, parquet, pictures, questions, written


def row(figure: int, question: int, answer: str = "1", **changed: Any) -> dict[str, Any]:
    return {
        "category": "VD", "subcategory": "illusion", "visual_input": "1", "set_id": "0", "figure_id": str(figure),
        "sample_note": "circle", "question_id": str(question), "gt_answer": answer,
        "question": "Is the right orange circle the same size as the left orange circle?",
        "gt_answer_details": "The right orange circle is the same size as the left orange circle.",
        "filename": f"./VD/illusion/0_{figure}.png", **changed,
    }  # fmt: skip


ROWS = [row(0, 0), row(0, 1, "0"), row(1, 0, "0"), row(1, 1)]
TEXT_ONLY = row(0, 0, category="VS", subcategory="chart", visual_input="0", filename=None)


def original(where: Path, rows: list[dict[str, Any]]) -> Path:
    # The unpacked archive has this folder, and other benchmarks' pictures may be called the same.
    names = (
        "hallusion_bench/VD/illusion/0_0.png",
        "hallusion_bench/VD/illusion/0_1.png",
        "hallusion_bench/VS/chart/0_0.png",
    )
    return written(where, {"HallusionBench.json": rows, **pictures(*names)})


def test_both_formats_ask_the_same_questions(tmp_path: Path) -> None:
    first = questions("hallusionbench", original(tmp_path / "json", [*ROWS, TEXT_ONLY]))
    rows = [{**one, "image": encoded()} for one in ROWS]
    other = questions("hallusionbench", parquet(tmp_path / "hf", "data/image-00000-of-00001.parquet", rows))
    assert first == other
    assert len(first) == 4, "the question without a picture is not asked"
    assert first[0].text.endswith("as the left orange circle?\nPlease answer yes or no.")
    assert (first[0].reference, first[1].reference) == ("yes", "no")


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"gt_answer": "2"}, "gt_answer is '2', and must be one of 0, 1"),
        ({"category": "VX"}, "category is 'VX', and must be VD"),
        ({"filename": "./VD/illusion/9_9.png"}, "the folder has no picture ./VD/illusion/9_9.png"),
    ],
)
def test_a_wrong_row_is_told(tmp_path: Path, changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(FileProblem, match=rf"HallusionBench.json, row 1: {rule}"):
        questions("hallusionbench", original(tmp_path, [row(0, 0, **changed)]))


def test_the_three_accuracies_by_hand(tmp_path: Path) -> None:
    asked = questions("hallusionbench", original(tmp_path, ROWS))
    right = {one.key: str(one.reference) for one in asked}
    found = figures("hallusionbench", asked, right)
    assert (found["aAcc"], found["qAcc"], found["fAcc"]) == (1.0, 1.0, 1.0)
    # One wrong answer of four breaks one of two questions and one of two figures.
    found = figures("hallusionbench", asked, {**right, "VD_illusion_0_1_1": "no"})
    assert (found["aAcc"], found["qAcc"], found["fAcc"]) == (0.75, 0.5, 0.5)
    assert found["subcategories"]["illusion"] == found["categories"]["VD"]


def test_an_answer_that_says_neither_is_wrong_and_counted(tmp_path: Path) -> None:
    asked = questions("hallusionbench", original(tmp_path, ROWS))
    found = figures("hallusionbench", asked, lambda _: "I cannot tell.")
    assert (found["aAcc"], found["unparsed"]) == (0.0, 1.0)
