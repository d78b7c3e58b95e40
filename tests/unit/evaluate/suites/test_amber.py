"""AMBER: its data folder, the shares of descriptions and the figures of questions by hand, and the score of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import FileProblem
from ratchet.evaluate.suites.amber_words import nouns_of
from tests.benchmarks import figures, mark_of, pictures, questions, written

RELATED = {
    "sky": [], "forest": ["tree", "leave", "bush"], "grass": ["ground"], "person": ["people", "individual", "man", "woman"],
    "lake": ["water", "sea"], "cloud": [], "sun": [], "bird": ["bill"], "dog": [], "man": ["person", "people"], "can": [],
    "hot": [], "watch": [],
}  # fmt: skip
QUERIES = [
    {"id": 1, "image": "AMBER_1.jpg", "query": "Describe this image."},
    {"id": 1005, "image": "AMBER_1.jpg", "query": "Is the sky sunny in this image?"},
    {"id": 1006, "image": "AMBER_1.jpg", "query": "Is there a dog in this image?"},
    {"id": 1007, "image": "AMBER_1.jpg", "query": "Is there direct contact between the person and grass?"},
    {"id": 1008, "image": "AMBER_1.jpg", "query": "Is there direct contact between the person and sun?"},
]
NOTES = [
    {"id": 1, "type": "generative", "truth": ["sky", "forest", "grass", "person", "lake"], "hallu": ["cloud", "sun", "bird", "dog"]},
    {"id": 1005, "type": "discriminative-attribute-state", "truth": "yes"},
    {"id": 1006, "type": "discriminative-hallucination", "truth": "no"},
    {"id": 1007, "type": "discriminative-relation", "truth": "yes"},
    {"id": 1008, "type": "relation", "truth": "no"},
]  # fmt: skip


def folder(where: Path, **changed: Any) -> Path:
    files = {
        "data/query/query_all.json": QUERIES, "data/annotations.json": NOTES, "data/relation.json": RELATED,
        "data/safe_words.txt": "orange\nwatch", **pictures("image/AMBER_1.jpg"),
    }  # fmt: skip
    return written(where, {**files, **changed})


def test_the_data_folder_becomes_questions(tmp_path: Path) -> None:
    found = questions("amber", folder(tmp_path))
    assert [one.category for one in found] == ["generative", "attribute", "existence", "relation", "relation"]
    assert found[0].text == "Describe this image."
    assert found[1].text == "Is the sky sunny in this image?\nPlease answer yes or no."
    assert [one.reference for one in found] == [None, "yes", "no", "yes", "no"]
    assert [one.key for one in questions("amber", tmp_path, "existence")] == ["1006"]


def test_the_two_query_files_stand_for_the_whole(tmp_path: Path) -> None:
    split = {"data/query/query_generative.json": QUERIES[:1], "data/query/query_discriminative.json": QUERIES[1:]}
    where = folder(tmp_path, **split)
    (where / "data/query/query_all.json").unlink()
    assert len(questions("amber", where)) == 5
    (where / "data/query/query_generative.json").unlink()
    assert len(questions("amber", where)) == 4


def test_a_folder_without_queries_is_told(tmp_path: Path) -> None:
    where = folder(tmp_path)
    (where / "data/query/query_all.json").unlink()
    with pytest.raises(
        FileProblem, match=r"no file \*query_all.json or \*query_discriminative.json; there are: data/annotations.json"
    ):
        questions("amber", where)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"data/annotations.json": NOTES[:1]}, "query_all.json, row 2: annotations.json has no id 1005"),
        ({"data/annotations.json": [{**NOTES[0], "type": "poem"}, *NOTES[1:]]}, "annotations.json, row 1: type is 'poem'"),
        ({"data/annotations.json": [{**NOTES[0], "truth": "sky"}, *NOTES[1:]]}, "annotations.json, row 1: truth must be a list"),
        ({"data/annotations.json": [NOTES[0], {**NOTES[1], "truth": "so"}, *NOTES[2:]]}, "row 2: truth is 'so', and must be one of yes, no"),
        ({"data/relation.json": ["sky"]}, "relation.json must be an object of lists"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told(tmp_path: Path, changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(FileProblem, match=rule):
        questions("amber", folder(tmp_path, **changed))


def test_words_are_nouns_unless_they_plainly_are_not() -> None:
    vocabulary = "sky dog can hot watch tree person".replace(" ", "\n")
    said = "You can see trees and people watch a hot sky; there is a watch and a trash can. No dog."
    assert nouns_of(said, vocabulary) == ["tree", "person", "sky", "watch", "can"]


def test_an_entry_of_several_words_is_one_thing_and_its_words_are_none(tmp_path: Path) -> None:
    related = {**RELATED, "traffic light": [], "light": [], "hot dog": [], "ball": ["tennis ball"]}
    note = {**NOTES[0], "truth": ["traffic light", "dog", "ball"]}
    changed = {"data/relation.json": related, "data/annotations.json": [note, *NOTES[1:]]}
    (one,) = questions("amber", folder(tmp_path, **changed), "generative")
    found = mark_of("amber", one, "A dog and a tennis ball at two traffic lights. The traffic stands.")
    assert (found.score, found.said, found.counts["covered"]) == (1.0, "dog, tennis ball, traffic light", 3)
    assert mark_of("amber", one, "A hot dog below a light, no traffic light.").reason == "hot dog, light"


def test_a_description_by_hand(tmp_path: Path) -> None:
    (one, *_) = questions("amber", folder(tmp_path), "generative")
    # Named: sky, trees (the forest), man (the person), dog, cloud, watch (safe): six. Not there: dog and cloud, both expected.
    found = mark_of("amber", one, "Under the sky a man stands before trees with a dog, a cloud and a watch.")
    assert (found.score, found.reason) == (0.0, "dog, cloud")
    assert found.counts == {
        "named": 6, "hallucinated": 2, "covered": 3, "things": 5, "cognitive": 2, "expectations": 4,
    }  # fmt: skip


def test_the_figures_and_the_score_by_hand(tmp_path: Path) -> None:
    asked = questions("amber", folder(tmp_path))
    said = {
        "1": "Under the sky a man stands before trees with a dog, a cloud and a watch.",
        "1005": "Yes", "1006": "No.", "1007": "no", "1008": "I cannot say",
    }  # fmt: skip
    found = figures("amber", asked, said)
    assert (found["chair"], found["cover"], found["hal"], found["cog"]) == (
        pytest.approx(1 / 3, abs=1e-6),
        0.6,
        1.0,
        0.5,
    )
    # No is what is to be found: it is said twice, once rightly, and it is true twice.
    assert (found["accuracy"], found["precision"], found["recall"], found["f1"]) == (0.5, 0.5, 0.5, 0.5)
    assert found["score"] == pytest.approx((100 - 100 / 3 + 50) / 2, abs=1e-3)
    assert found["categories"]["relation"]["accuracy"] == 0.0
    assert found["categories"]["existence"]["f1"] == 1.0


def test_half_of_the_benchmark_has_no_score(tmp_path: Path) -> None:
    asked = questions("amber", folder(tmp_path), "generative")
    assert figures("amber", asked, lambda _: "The sky.")["score"] is None


@pytest.mark.parametrize("silence", ["", "OK."])
def test_a_silent_description_hallucinates_nothing_and_is_not_right(tmp_path: Path, silence: str) -> None:
    described = next(one for one in questions("amber", folder(tmp_path)) if one.category == "generative")
    made = mark_of("amber", described, silence)
    assert (made.score, made.counts["hallucinated"]) == (0.0, 0)
    assert figures("amber", [described], lambda _: silence)["hal"] == 0.0, (
        "the published figure stays as it is published"
    )
