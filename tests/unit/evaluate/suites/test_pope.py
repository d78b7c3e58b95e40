"""POPE: its file's rows, its reading of answers, its figures by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ratchet.evaluate.suites import Asked, FileProblem, Marked, open_folder, suite
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
