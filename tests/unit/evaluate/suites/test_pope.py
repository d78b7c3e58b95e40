"""POPE: its file's rows, its reading of answers, its figures by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ratchet.evaluate.suites import Asked, FileProblem, Marked, open_folder, suite
from tests import benchmarks
from tests.benchmarks import encoded, figures, parquet, pictures, questions
from tests.tiny import png

POPE = suite("pope")


def written(folder: Path, **changed: object) -> Path:
    row = {
        "id": "0", "question_id": "1", "question": "Is there a dog in the image?", "answer": "yes",
        "image_source": "COCO_val2014_000000310196", "image": "310196.png", "category": "adversarial",
    }  # fmt: skip
    (folder / "310196.png").write_bytes(png())
    (folder / "test.jsonl").write_text(json.dumps({**row, **changed}))
    return folder


def test_a_row_becomes_a_question_with_the_published_prompt(tmp_path: Path) -> None:
    (found,) = POPE.load(open_folder(str(written(tmp_path))), ())
    assert found.text == "Is there a dog in the image?\nAnswer the question using a single word or phrase."
    assert (found.key, found.reference, found.category) == ("adversarial-1", "yes", "adversarial")
    assert found.pictures == (png(),)


def test_parts_choose_categories(tmp_path: Path) -> None:
    assert list(POPE.load(open_folder(str(written(tmp_path))), ("random",))) == []


@pytest.mark.parametrize(
    ("changed", "rule"),
    [({"answer": "maybe"}, "answer is 'maybe', and must be one of yes, no"), ({"image": None}, "no image")],
)
def test_a_wrong_row_is_told_with_its_file_and_number(tmp_path: Path, changed: dict[str, object], rule: str) -> None:
    with pytest.raises(FileProblem, match=rf"test.jsonl, row 1: {rule}"):
        list(POPE.load(open_folder(str(written(tmp_path, **changed))), ()))


def test_yes_ratio_is_of_the_predictions() -> None:
    assert POPE.mark is not None
    truth = {"a": "yes", "b": "no", "c": "no", "d": "yes"}
    said = {"a": "Yes.", "b": "Yes, there is.", "c": "yes", "d": "I cannot tell"}
    rows = [
        Marked(key, "random", None, key, truth[key], {}, POPE.mark(Asked(key, "random", truth[key], {}), said[key]))
        for key in truth
    ]
    found = POPE.metrics(rows)
    assert {name: found[name] for name in ("accuracy", "precision", "recall", "f1", "yes_ratio", "true_yes_ratio")} == {
        "accuracy": 0.25, "precision": pytest.approx(1 / 3, abs=1e-6), "recall": 0.5, "f1": 0.4, "yes_ratio": 1.0, "true_yes_ratio": 0.5,
    }  # fmt: skip


ORIGINAL = [
    {
        "question_id": 1,
        "image": "COCO_val2014_000000310196.jpg",
        "text": "Is there a snowboard in the image?",
        "label": "yes",
    },
    {
        "question_id": 2,
        "image": "COCO_val2014_000000310196.jpg",
        "text": "Is there a dining table in the image?",
        "label": "no",
    },
]


def original(folder: Path, part: str = "random") -> Path:
    lines = "\n".join(json.dumps(row) for row in ORIGINAL)
    files = {f"output/coco/coco_pope_{part}.json": lines, **pictures("val2014/COCO_val2014_000000310196.jpg")}
    return benchmarks.written(folder, files)


def test_the_papers_own_files_are_read_with_pictures_wherever_they_lie(tmp_path: Path) -> None:
    one, other = questions("pope", original(tmp_path))
    assert (one.key, one.category, one.reference, other.reference) == ("random-1", "random", "yes", "no")
    assert one.text == "Is there a snowboard in the image?\nAnswer the question using a single word or phrase."


def test_an_original_of_no_part_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"coco_pope_typical.json, row 1: a file of POPE is called coco_pope_<part>"):
        questions("pope", original(tmp_path, "typical"))


def test_a_missing_picture_is_told_with_the_row_that_names_it(tmp_path: Path) -> None:
    folder = original(tmp_path)
    (folder / "val2014/COCO_val2014_000000310196.jpg").unlink()
    with pytest.raises(
        FileProblem, match=r"random.json, row 1: the folder has no picture COCO_val2014_000000310196.jpg"
    ):
        questions("pope", folder)


def test_the_whole_benchmark_loads_and_scores_in_seconds(tmp_path: Path) -> None:
    rows = [
        {
            "id": str(n), "question_id": str(n), "question": f"Is there a thing {n} in the image?",
            "answer": "yes" if n % 2 else "no", "image_source": f"COCO_val2014_{n // 6:012}", "image": encoded(),
            "category": part,
        }
        for part in ("random", "popular", "adversarial")
        for n in range(3000)
    ]  # fmt: skip
    asked = questions("pope", parquet(tmp_path, "data/test-00000-of-00001.parquet", rows))
    found = figures("pope", asked, lambda one: "Yes" if int(one.key.rpartition("-")[2]) % 3 else "No.")
    assert len(asked) == 9000
    # Of six questions four are said to be there, two of them rightly, and one is missed.
    assert (found["accuracy"], found["precision"], found["recall"]) == (0.5, 0.5, pytest.approx(2 / 3, abs=1e-6))
    assert {name: part["items"] for name, part in found["categories"].items()} == dict.fromkeys(
        ("adversarial", "popular", "random"), 3000
    )
