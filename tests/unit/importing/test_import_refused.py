from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratchet.errors import ImportRefused, PromptSetError
from ratchet.importing import ImportOptions
from tests.unit.importing.samples import folder_of, imported, picture_folder, png, rows_of


def test_strict_refuses_lists_the_rows_and_writes_nothing(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", [*rows_of(3), {"image": "images/0.png"}])
    with pytest.raises(ImportRefused, match=r"1 of 4 rows.*no_question 1") as refusal:
        imported(tmp_path, source, strict=True)
    assert "rows.jsonl row 4: no_question" in str(refusal.value)
    assert (tmp_path / "rejects.jsonl").exists()
    assert not (tmp_path / "store").exists()


def test_strict_refuses_also_what_an_import_without_it_accepted(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", [*rows_of(3), {"image": "images/0.png"}])
    imported(tmp_path, source)
    with pytest.raises(ImportRefused):
        imported(tmp_path, source, strict=True)


def test_a_misnamed_column_is_named_when_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="No row has the column qestion"):
        imported(tmp_path, folder_of(tmp_path / "in", rows_of(3)), columns={"question": "qestion"})


def test_rejects_cannot_be_written_into_the_source(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", rows_of(3))
    with pytest.raises(PromptSetError, match="inside of the source"):
        imported(tmp_path, source, rejects=source / "rejects.jsonl")


@pytest.mark.parametrize("files", [[], ["a.jsonl", "b.csv"], ["notes.md"]])
def test_a_folder_without_one_kind_of_table_is_refused_with_what_is_needed(tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "in").mkdir()
    for name in files:
        (tmp_path / "in" / name).write_text("{}\n")
    with pytest.raises(PromptSetError, match=r"\.parquet|give the one file"):
        imported(tmp_path, tmp_path / "in")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "tinyworld"},
        {"name": "a b"},
        {"columns": {"colour": "c"}},
        {"shares": {"pool": 0}},
        {"shares": {"train": 1}},
        {"split_column": "s", "split_names": {"train": "learn"}},
        {"split_names": {"train": "pool"}},
    ],
)
def test_options_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"tinyworld|pattern|no field|shares|split_names"):
        ImportOptions.model_validate({"name": "dots", **changes})


def test_newcomers_mistakes_are_answered_with_the_option_that_mends_them(tmp_path: Path) -> None:
    source = picture_folder(tmp_path / "in", {f"a/{n}.png": png(n) for n in range(3)})
    with pytest.raises(PromptSetError, match=r"3 pictures: import them without questions with --pictures"):
        imported(tmp_path, source)
    pq.write_table(pa.Table.from_pylist([{"photo": png(1), "url": "u"}]), tmp_path / "p.parquet")
    with pytest.raises(ImportRefused, match=r"columns photo, url.*--column images=NAME"):
        imported(tmp_path, tmp_path / "p.parquet", pictures=True)
    with pytest.raises(ImportRefused, match=r"without questions are imported with --pictures"):
        imported(tmp_path, tmp_path / "p.parquet", columns={"images": "photo"})
    picture_folder(tmp_path, {"a.zip": b"PK", "empty/notes.md": b"x"})
    with pytest.raises(PromptSetError, match=r"unpack it"):
        imported(tmp_path, tmp_path / "a.zip", pictures=True)
    with pytest.raises(PromptSetError, match=r"no picture in .*files \*\.md \(1\)"):
        imported(tmp_path, tmp_path / "empty", pictures=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pictures": False, "ask": "What?"}, "needs pictures"),
        ({"ask": " <image> "}, "asks nothing"),
        ({"columns": {"question": "q"}}, "not read with pictures"),
        ({"verifiers": ("exact",)}, "answers to check"),
    ],
)
def test_options_that_pictures_do_not_go_with_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ImportOptions.model_validate({"name": "dots", "pictures": True, **changes})
