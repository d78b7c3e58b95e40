"""CHAIR: COCO's annotation files, what is there by instances and captions, and the three shares by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import FileProblem
from tests.benchmarks import encoded, figures, mark_of, parquet, pictures, questions, written

INSTANCES: dict[str, Any] = {
    "info": {"description": "COCO 2014 Dataset"},
    "licenses": [],
    "images": [
        {"license": 3, "file_name": "COCO_val2014_000000391895.jpg", "height": 360, "width": 640, "id": 391895},
        {"license": 3, "file_name": "COCO_val2014_000000060623.jpg", "height": 427, "width": 640, "id": 60623},
    ],
    "annotations": [
        {"segmentation": [[1.0, 1.0]], "area": 1.0, "iscrowd": 0, "image_id": 391895, "bbox": [0, 0, 1, 1], "category_id": 4, "id": 1},
        {"segmentation": [[1.0, 1.0]], "area": 1.0, "iscrowd": 0, "image_id": 391895, "bbox": [0, 0, 1, 1], "category_id": 1, "id": 2},
    ],
    "categories": [
        {"supercategory": "person", "id": 1, "name": "person"},
        {"supercategory": "vehicle", "id": 4, "name": "motorcycle"},
    ],
}  # fmt: skip
CAPTIONS = {
    "images": INSTANCES["images"],
    "annotations": [{"image_id": 391895, "id": 770337, "caption": "A man with a red helmet on a small moped near two cows."}],
}  # fmt: skip


def folder(where: Path, **changed: Any) -> Path:
    files = {
        "annotations/instances_val2014.json": INSTANCES, "annotations/captions_val2014.json": CAPTIONS,
        **pictures("val2014/COCO_val2014_000000391895.jpg"),
    }  # fmt: skip
    return written(where, {**files, **changed})


def test_it_asks_about_the_pictures_that_are_there(tmp_path: Path) -> None:
    (one,) = questions("chair", folder(tmp_path))
    assert (one.key, one.text, one.reference) == ("391895", "Please describe this image in detail.", None)
    assert one.facts["objects"] == ["cow", "motorcycle", "person"], "instances, and what the captions name"


def test_the_harness_set_gives_the_same_question(tmp_path: Path) -> None:
    row = {"question_id": "391895", "image": encoded(), "gt_object": ["motorcycle", "person", "cow"]}
    (other,) = questions("chair", parquet(tmp_path / "hf", "data/test-00000-of-00001.parquet", [row]))
    (one,) = questions("chair", folder(tmp_path / "coco"))
    assert one == other


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"annotations/instances_val2014.json": []}, "instances_val2014.json has no list `images`"),
        ({"annotations/captions_val2014.json": {"images": []}}, "captions_val2014.json has no list `annotations`"),
        ({"annotations/captions_val2014.json": {**CAPTIONS, "annotations": [{"image_id": 391895}]}}, "captions_val2014.json, row 1: no caption"),
        (
            {"annotations/instances_val2014.json": {**INSTANCES, "categories": [{"id": 1, "name": "quasar"}]}},
            "its category 'quasar' is no object of the table",
        ),
        ({"annotations/instances_val2014.json": {**INSTANCES, "categories": [{"id": 1}]}}, "instances_val2014.json, row 1: no name"),
        ({"annotations/instances_val2014.json": {**INSTANCES, "categories": [1]}}, "row 1: a row is an object, this is a int"),
        ({"synonyms.txt": b"\xff\xfe"}, "synonyms.txt is not UTF-8"),
        (
            {"annotations/instances_val2014.json": {**INSTANCES, "categories": INSTANCES["categories"][:1]}},
            "instances_val2014.json, row 1: category_id is 4, and `categories` has none",
        ),
    ],
)  # fmt: skip
def test_wrong_annotations_are_told(tmp_path: Path, changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(FileProblem, match=rule):
        questions("chair", folder(tmp_path, **changed))


def test_annotations_without_pictures_are_told(tmp_path: Path) -> None:
    where = folder(tmp_path)
    (where / "val2014/COCO_val2014_000000391895.jpg").unlink()
    with pytest.raises(
        FileProblem, match=r"no picture that annotations/instances_val2014.json names; put COCO's pictures there"
    ):
        questions("chair", where)


def test_the_three_shares_by_hand(tmp_path: Path) -> None:
    asked = questions("chair", folder(tmp_path))
    # Mentioned: man, motorbike, dog, dog, person; hallucinated: dog twice. Found of three: two.
    found = figures(
        "chair", asked, lambda _: "A man on a motorbike with a dog. The dog looks at the person. There is no cat."
    )
    assert (found["chair_i"], found["chair_s"], found["recall"], found["mentions"]) == (
        0.4,
        1.0,
        pytest.approx(2 / 3, abs=1e-6),
        5.0,
    )
    found = figures("chair", asked, lambda _: "People and cows near a scooter.")
    assert (found["chair_i"], found["chair_s"], found["recall"]) == (0.0, 0.0, 1.0)


def test_an_empty_caption_is_unparsed_and_has_no_chair(tmp_path: Path) -> None:
    found = figures("chair", questions("chair", folder(tmp_path)), lambda _: "")
    assert (found["chair_i"], found["recall"], found["unparsed"]) == (None, 0.0, 1.0)


@pytest.mark.parametrize("silence", ["", "  ", "OK.", "<think>a dog</think>"])
def test_silence_hallucinates_nothing_and_is_not_right(tmp_path: Path, silence: str) -> None:
    asked = questions("chair", folder(tmp_path))
    assert {mark_of("chair", question, silence).score for question in asked} == {0.0}
    found = figures("chair", asked, lambda _: silence)
    assert (found["chair_i"], found["chair_s"]) == (None, 0.0), "the published figures stay as they are published"


def test_a_table_of_synonyms_in_the_folder_counts(tmp_path: Path) -> None:
    table = "person, man, pilot\nmotorcycle, moped, motorbike\ncow\n"
    asked = questions("chair", folder(tmp_path, **{"synonyms.txt": table}))
    assert asked[0].facts["objects"] == ["cow", "motorcycle", "person"]
    found = figures("chair", asked, lambda _: "A pilot with a dog.")
    assert (found["chair_i"], found["mentions"]) == (0.0, 1.0), "a pilot is a person there, and a dog is nothing"
