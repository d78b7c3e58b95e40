"""Benchmarks as their authors release them, folders in place of tables: the same questions as from the harness's tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import FileProblem, Question
from tests.benchmarks import encoded, parquet, questions, written
from tests.tiny import png
from tests.unit.evaluate.suites.samples import MATHVISTA, MIRB, SCIENCEQA

MME = "MME_Benchmark_release_version/MME_Benchmark"
ART = "Does this artwork exist in the form of {}? Please answer yes or no.\t{}\n"
CODE = "The image shows a python code. Is the output of the code '{}'? Please answer yes or no.\t{}\n"
MME_FILES: dict[str, Any] = {
    f"{MME}/artwork/images/10002.jpg": png(),
    f"{MME}/artwork/questions_answers_YN/10002.txt": ART.format("painting", "Yes") + ART.format("glassware", "No"),
    f"{MME}/artwork/questions_answers_YN_zh/10002.txt": "not asked",
    f"{MME}/code_reasoning/0020.png": png("blue"),
    f"{MME}/code_reasoning/0020.txt": CODE.format("Hello", "Yes") + CODE.format("World", "No") + "\n",
    "eval_tool/Your_Results/artwork.txt": "10002.jpg\tQ\tYes\tYes",
    "eval_tool/readme.txt": "MME",
}
PROBLEM = {name: value for name, value in SCIENCEQA.items() if name != "image"}
SCIENCE: dict[str, Any] = {
    "data/scienceqa/problems.json": {
        "1": {**PROBLEM, "image": "image.png", "split": "train"},
        "4": {**PROBLEM, "image": "image.png", "split": "test"},
        "5": {**PROBLEM, "image": None, "split": "test"},
    },
    "data/scienceqa/pid_splits.json": {"train": ["1"], "test": ["4", "5"]},
    "data/scienceqa/images/test/4/image.png": png(),
}
VISTA = {name: value for name, value in MATHVISTA.items() if name not in ("decoded_image", "query")}
VISTA_FILES: dict[str, Any] = {
    "data/testmini.json": {"1": VISTA}, "data/query.json": {"1": MATHVISTA["query"]}, "data/images/1.jpg": png(),
    "data/annot_testmini.json": {"1": VISTA}, "data/source.json": {},
}  # fmt: skip
MIRB_ROW = {"questions": MIRB["questions"], "answers": "B", "images": ["Images/food/1_0.jpg", "Images/food/1_1.jpg"]}
MIRB_FILES: dict[str, Any] = {
    "MIR/food.json": [MIRB_ROW],
    "MIR/count.json": [{"questions": "How many?", "answers": 3, "images": ["Images/count/1.jpg"]}],
    **{f"MIR/Images/{name}": png() for name in ("food/1_0.jpg", "food/1_1.jpg", "count/1.jpg")},
}


def unkeyed(found: list[Question]) -> list[Question]:
    return [replace(one, key="", unit=None) for one in found]


def test_mmes_folders_ask_what_its_table_asks(tmp_path: Path) -> None:
    found = questions("mme", written(tmp_path / "release", MME_FILES))
    rows = [
        {
            "question_id": f"{subtask}/{picture}",
            "image": encoded(colour),
            "category": subtask,
            "question": asked,
            "answer": answer,
        }
        for subtask, picture, colour, text, whats in (
            ("artwork", "10002.jpg", "red", ART, ("painting", "glassware")),
            ("code_reasoning", "0020.png", "blue", CODE, ("Hello", "World")),
        )
        for what, answer in zip(whats, ("Yes", "No"), strict=True)
        for asked in (text.format(what, answer).partition("\t")[0],)
    ]
    assert found == questions("mme", parquet(tmp_path / "table", "data/test-0.parquet", rows))
    assert [one.category for one in questions("mme", tmp_path / "release", "artwork")] == ["artwork", "artwork"]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({f"{MME}/code_reasoning/0020.txt": "Is it? Yes"}, "0020.txt, row 1: 'Is it. Yes' is no question, tab and Yes or No"),
        ({f"{MME}/code_reasoning/0020.txt": "Is it?\tMaybe"}, "0020.txt, row 1: answer is 'maybe', and must be one of yes, no"),
        ({f"{MME}/code_reasoning/0021.txt": "Is it?\tYes"}, "0021.txt, row 1: one picture must have the name 0021 .* there is none"),
        ({f"{MME}/code_reasoning/0020.jpg": png()}, "row 1: one picture must have the name 0020"),
        ({f"copy/{MME}/code_reasoning/{n}": MME_FILES[f"{MME}/code_reasoning/{n}"] for n in ("0020.png", "0020.txt")}, "asked about a third time"),
    ],
)  # fmt: skip
def test_a_wrong_file_of_mmes_folders_is_told(tmp_path: Path, changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(FileProblem, match=rule):
        questions("mme", written(tmp_path, {**MME_FILES, **changed}))


def test_a_folder_of_neither_kind_is_told_what_mme_looks_for(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"no file data/test-\*.parquet or .*<subtask>/\*.txt; there are: notes.txt"):
        questions("mme", written(tmp_path, {"notes.txt": "nothing"}))


def test_scienceqas_release_asks_the_pictured_problems_of_its_test_split(tmp_path: Path) -> None:
    found = questions("scienceqa", written(tmp_path / "release", SCIENCE))
    assert [one.key for one in found] == ["4"]
    table = parquet(tmp_path / "table", "ScienceQA-IMG/test-0.parquet", [SCIENCEQA])
    assert unkeyed(found) == unkeyed(questions("scienceqa", table))


def test_a_picture_that_scienceqas_release_lacks_is_told(tmp_path: Path) -> None:
    lacking = {name: content for name, content in SCIENCE.items() if not name.endswith(".png")}
    with pytest.raises(FileProblem, match=r"problems\.json, row 2: the folder has no picture test/4/image\.png"):
        questions("scienceqa", written(tmp_path, lacking))


def test_mathvistas_release_asks_what_its_table_asks(tmp_path: Path) -> None:
    found = questions("mathvista", written(tmp_path / "release", VISTA_FILES))
    assert found == questions("mathvista", parquet(tmp_path / "table", "data/testmini-0.parquet", [MATHVISTA]))


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"data/query.json": {}}, "testmini.json, row 1: no query"),
        ({"data/testmini.json": [VISTA]}, "testmini.json must be an object of problems by their number"),
        ({"data/testmini.json": {"1": {**VISTA, "image": "images/2.jpg"}}}, "images/2.jpg is missing"),
    ],
)
def test_a_wrong_file_of_mathvistas_release_is_told(tmp_path: Path, changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(FileProblem, match=rule):
        questions("mathvista", written(tmp_path, {**VISTA_FILES, **changed}))


def test_mirbs_release_asks_its_subsets_from_their_files(tmp_path: Path) -> None:
    food, count = questions("mirb", written(tmp_path / "release", MIRB_FILES))
    assert (food.key, count.key, count.reference) == ("food-0", "count-0", "3")
    table = parquet(tmp_path / "table", "data/test-0.parquet", [MIRB])
    assert unkeyed([food]) == unkeyed(questions("mirb", table))
