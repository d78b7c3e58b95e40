"""Pictures that rows name: found wherever they lie, and never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.evaluate.suites import FileProblem, open_folder
from ratchet.evaluate.suites.folder import Row
from ratchet.evaluate.suites.pictures import Pictures, pictures_in
from tests.benchmarks import encoded, pictures, written
from tests.tiny import png


def found(where: Path, *names: str) -> tuple[Pictures, Row]:
    folder = open_folder(str(written(where, pictures(*names))))
    return pictures_in(folder), Row(folder, "rows.json", 7, {"image": "a.PNG", "other": encoded()})


def test_a_name_is_found_in_any_folder_whatever_its_case(tmp_path: Path) -> None:
    there, row = found(tmp_path, "deep/in/A.png")
    assert there.of(row, "image") == png()
    assert "a.png" in there
    assert "b.png" not in there


def test_an_encoded_picture_needs_no_file(tmp_path: Path) -> None:
    there, row = found(tmp_path, "z.png")
    assert there.of(row, "other") == png()


def test_of_two_with_the_name_the_path_decides(tmp_path: Path) -> None:
    there, row = found(tmp_path, "VD/a.png", "VS/a.png")
    assert there.named(row, "./VS/a.png") == png()
    with pytest.raises(
        FileProblem, match=r"rows.json, row 7: the folder has 2 pictures a.PNG: VD/a.png, VS/a.png; keep one"
    ):
        there.of(row, "image")
