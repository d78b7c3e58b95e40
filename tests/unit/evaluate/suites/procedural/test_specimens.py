"""Items to look at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ratchet.errors import RecipeError
from ratchet.evaluate.suites import suite
from ratchet.evaluate.suites.procedural.specimens import main, specimens, write


@pytest.mark.parametrize("name", ["spatial", "multi-view"])
def test_a_folder_has_the_pictures_the_questions_and_a_sheet(tmp_path: Path, name: str) -> None:
    questions = specimens(suite(name), 20, size=48)
    folder = write(questions, tmp_path / "out")
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    assert [row["question"] for row in rows] == [question.text for question in questions]
    for row, question in zip(rows, questions, strict=True):
        assert [(folder / picture).read_bytes() for picture in row["pictures"]] == list(question.pictures)
        assert 0 <= row["difficulty"] <= 1
    with Image.open(folder / "sheet.png") as shown:
        assert shown.width > 400


def test_a_suite_that_reads_files_has_none() -> None:
    with pytest.raises(RecipeError, match="suite pope draws nothing: it reads files"):
        specimens(suite("pope"), 4)


def test_the_command_says_where_the_sheet_is_and_which_sizes_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["spatial", "--out", str(tmp_path), "--items", "4", "--part", "place"])
    assert capsys.readouterr().out == f"{tmp_path / 'sheet.png'}: 4 items\n"
    with pytest.raises(SystemExit):
        main(["spatial", "--out", str(tmp_path), "--size", "100"])
    assert "size 100: procedural pictures are 48, 64, 224, 448, 896 pixels wide" in capsys.readouterr().err
