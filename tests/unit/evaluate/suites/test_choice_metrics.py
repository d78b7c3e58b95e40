"""The figures of each suite of multiple choice, by hand, and what is its own in loading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import FileProblem, Question, SuiteFigures
from tests.unit.evaluate.suites.samples import BASE64, HF, SAMPLES, Sample, answered, figures, loaded


def made(sample: str, folder: Path, *changes: Mapping[str, Any]) -> list[Question]:
    """Questions of the sample's first row, changed in one way after the other."""
    one = SAMPLES[sample]
    return loaded(one.suite, one.write(folder, [{**one.rows[0], **change} for change in changes]))


def part(found: SuiteFigures, facet: str, name: str, of: str = "accuracy") -> object:
    held = found[facet]
    assert isinstance(held, dict)
    return held[name][of]


def test_mmbench_is_right_when_every_rotation_is(tmp_path: Path) -> None:
    questions = made(
        "mmbench", tmp_path, {"index": 1}, {"index": 2, "category": "count", "C": "green", "l2-category": "counting"}
    )
    assert [(q.key, q.reference) for q in questions] == [
        ("1", "B"),
        ("1000001", "A"),
        ("2", "B"),
        ("1000002", "A"),
        ("2000002", "C"),
    ]
    assert questions[1].text.startswith("Which colour?\nA. blue\nB. red\n")
    # Whoever says B always is right in one turn of each question: VanillaEval is full, CircularEval is nothing.
    biased = figures("mmbench", questions, lambda q: "B")
    assert (biased["circular"], biased["vanilla"], biased["units"]) == (0.0, 1.0, 2)
    half = figures("mmbench", questions, lambda q: q.reference or "" if q.unit == "1" else "B")
    assert (half["circular"], part(half, "categories", "colour"), part(half, "abilities", "counting")) == (
        0.5,
        1.0,
        0.0,
    )


def test_mmbench_takes_the_rotations_of_the_file(tmp_path: Path) -> None:
    turned = {"index": 1_000_001, "A": "blue", "B": "red", "answer": "A", "image": "1"}
    questions = made("mmbench-tsv", tmp_path, {"index": 1}, turned, {"index": 5})
    assert [(q.key, q.reference, q.unit) for q in questions] == [
        ("1", "B", "1"),
        ("1000001", "A", "1"),
        ("5", "B", "5"),
    ]
    assert questions[0].pictures == questions[1].pictures


def test_an_mmbench_question_with_a_prediction_missing_is_in_no_share(tmp_path: Path) -> None:
    questions = made("mmbench", tmp_path, {"index": 1}, {"index": 2})
    found = figures("mmbench", questions[:-1], lambda q: q.reference or "")
    assert (found["circular"], found["units"], found["incomplete"]) == (1.0, 2, 1)


def test_a_picture_that_no_row_has_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"AI2D_TEST.tsv, row 1: image is '9', and no row above has that index"):
        made("ai2d-tsv", tmp_path, {"image": "9"})


def test_a_list_of_base64_is_several_pictures(tmp_path: Path) -> None:
    (found,) = made("seed-tsv", tmp_path, {"image": repr([BASE64, BASE64])})
    assert len(found.pictures) == 2


def test_mmstar_counts_items_and_axes(tmp_path: Path) -> None:
    axes = [("0", "a"), ("1", "a"), ("2", "a"), ("3", "b")]
    questions = made("mmstar", tmp_path, *({"index": index, "l2_category": axis} for index, axis in axes))
    found = figures("mmstar", questions, lambda q: "B" if q.key == "3" else "A")
    assert (found["accuracy"], found["axes_mean"], part(found, "axes", "b")) == (0.25, 0.5, 1.0)


def test_seed_leaves_videos_out(tmp_path: Path) -> None:
    questions = made("seed", tmp_path, {}, {"data_type": "video", "question_type_id": 10, "question_id": "v"})
    assert [q.key for q in questions] == ["101669"]


def test_scienceqa_leaves_rows_without_a_picture_out_and_counts_by_grade(tmp_path: Path) -> None:
    questions = made("scienceqa", tmp_path, {}, {"image": None}, {"grade": "grade9", "subject": "social science"})
    assert [q.key for q in questions] == ["test-0.parquet:1", "test-0.parquet:3"]
    found = figures("scienceqa", questions, lambda q: "B" if q.category == "SOC" else "A")
    assert (found["accuracy"], part(found, "grades", "G7-12"), part(found, "categories", "NAT")) == (0.5, 1.0, 0.0)


def test_realworldqa_compares_words_where_there_are_no_options(tmp_path: Path) -> None:
    questions = made("realworldqa", tmp_path, {"question": "How many lanes?", "answer": "2"})
    assert [
        figures("realworldqa", questions, lambda q, said=said: said)["accuracy"] for said in ("two.", "2", "3")
    ] == [1.0, 1.0, 0.0]  # type: ignore[misc]


def test_cv_bench_is_averaged_over_its_sources(tmp_path: Path) -> None:
    sources = ["ADE20K", "COCO", "COCO", "COCO", "Omni3D", "Omni3D"]
    questions = made("cv_bench", tmp_path, *({"idx": index, "source": source} for index, source in enumerate(sources)))
    found = figures("cv_bench", questions, lambda q: "(B)" if q.key in ("2D-0", "2D-1", "2D-4") else "(A)")
    # ADE20K 1, COCO 1/3, Omni3D 1/2: ((1 + 1/3) / 2 + 1/2) / 2.
    assert (found["accuracy"], found["items_accuracy"]) == (pytest.approx(7 / 12, abs=1e-6), 0.5)


def test_cv_bench_without_a_source_has_no_average(tmp_path: Path) -> None:
    found = figures("cv_bench", made("cv_bench", tmp_path, {"source": "COCO"}), lambda q: "B")
    assert (found["accuracy"], found["items_accuracy"]) == (None, 1.0)


def test_mmvp_scores_pairs(tmp_path: Path) -> None:
    answers = ["(b)", "(a)", "(a)", "(b)", "(a)"]
    questions = made(
        "mmvp", tmp_path, *({"Index": index, "Correct Answer": answer} for index, answer in enumerate(answers, 1))
    )
    found = figures("mmvp", questions, lambda q: "Closed" if q.key == "3" else q.reference or "")
    assert (found["accuracy"], found["pair_accuracy"], found["pairs"], found["pairs_incomplete"]) == (0.8, 0.5, 3, 1)


def test_3dsrbench_groups_by_view_and_turn(tmp_path: Path) -> None:
    ends = ["", "-1", "-flip", "-flip-1"]
    questions = made(
        "3dsrbench",
        tmp_path,
        *({"qid": f"{base}{end}"} for base in ("VIN6MS3J", "a-9") for end in ends[: 4 if base != "a-9" else 1]),
    )
    assert {q.unit for q in questions} == {"VIN6MS3J", "a"}
    found = figures("3dsrbench", questions, lambda q: "A" if q.key == "VIN6MS3J-flip-1" else "B")
    # Views: (VIN, plain) right, (VIN, flip) wrong, (a, plain) right. Turns: VIN 0 right, VIN 1 wrong, a 9 right.
    assert (found["flip_circular"], found["circular"], found["flip"], found["vanilla"]) == (
        0.5,
        0.666667,
        0.666667,
        0.8,
    )
    assert part(found, "groups", "height") == 0.5


def test_blink_is_the_mean_of_its_subtasks(tmp_path: Path) -> None:
    tasks = ["Counting", "Counting", "Counting", "Jigsaw"]
    questions = made("blink", tmp_path, *({"idx": f"{index}", "sub_task": task} for index, task in enumerate(tasks)))
    found = figures("blink", questions, lambda q: "(B)" if q.category == "Jigsaw" else "(A)")
    assert (found["average"], found["accuracy"]) == (0.5, 0.25)
    assert [q.category for q in loaded("blink", tmp_path, "Jigsaw")] == ["Jigsaw"]


def test_muirbench_counts_by_relation(tmp_path: Path) -> None:
    questions = made("muirbench", tmp_path, {}, {"idx": "2", "image_relation": "Temporal"})
    found = figures("muirbench", questions, lambda q: "B" if q.key == "2" else "C")
    assert (found["accuracy"], part(found, "relations", "Temporal"), part(found, "kinds", "Photography")) == (
        0.5,
        1.0,
        0.5,
    )


def test_mirb_counts_its_dimensions_as_means_of_subsets(tmp_path: Path) -> None:
    rows = [
        {"subset": "count", "answers": "3"},
        {"subset": "attribute", "answers": "red", "question_id": 1},
        {"subset": "attribute", "answers": "red"},
    ]
    found = figures("mirb", made("mirb-open", tmp_path, *rows), lambda q: "3" if q.category == "count" else "infrared")
    assert (found["accuracy"], found["dimensions"]) == (0.333333, {"Perception": 0.5})


def test_mantis_reads_what_follows_final_answer(tmp_path: Path) -> None:
    questions = made("mantis-short", tmp_path, {})
    found = [
        figures("mantis", questions, lambda q, said=said: said)["accuracy"]
        for said in ("Six and six. Final Answer: 12.", "about twelve")
    ]  # type: ignore[misc]
    assert found == [1.0, 0.0]


@pytest.mark.parametrize(
    ("reference", "said", "right"),
    [
        ("6000", "The total is $6,000.", True), ("6000", "6000.004", True), ("6000", "60001", False), ("['24/7', '3.429']", "so it is 3.43", True),
        ("fashion design", "Thus the answer is fashion design", True), ("ion", "It is fashion", False), ("1.06", "It is 1.06. That is in meters.", True),
        ("-4", "x = -4", True), ("10^50", "1e400", False),
    ],
)  # fmt: skip
def test_open_answers_of_mmmu_are_numbers_or_whole_words(
    reference: str, said: str, right: bool, tmp_path: Path
) -> None:
    (row,) = answered("mmmu", made("mmmu-open", tmp_path, {"answer": reference}), lambda q: said)
    assert row.mark.correct is right


def test_mmmu_counts_by_domain_and_chooses_parts(tmp_path: Path) -> None:
    rows = [{}, {"id": "validation_Music_2", "topic_difficulty": "Hard"}, {"id": "dev_Music_1"}]
    asked = [q.key for q in made("mmmu", tmp_path, *rows)]
    assert "dev_Music_1" not in asked, "the published figure is of validation"
    assert asked == [q.key for q in loaded("mmmu", tmp_path, "validation")]
    questions = loaded("mmmu", tmp_path, "validation", "dev")
    found = figures("mmmu", questions, lambda q: "B" if q.category == "Music" else "A")
    assert (found["accuracy"], part(found, "domains", "Business"), part(found, "levels", "Hard")) == (
        0.666667,
        0.0,
        1.0,
    )
    assert [q.key for q in loaded("mmmu", tmp_path, "dev")] == ["dev_Music_1"]


def test_mmmu_numbers_the_pictures_that_it_shows(tmp_path: Path) -> None:
    (found,) = made(
        "mmmu", tmp_path, {"question": "See <image 2>.", "options": "['a', 'b']", "image_1": None, "image_2": HF}
    )
    assert (len(found.pictures), found.text.startswith("See [Image 1].")) == (1, True)


@pytest.mark.parametrize(
    ("sample", "change", "rule"),
    [
        ("mmmu", {"id": "validation_Magic_1"}, "id is 'validation_Magic_1', and must be"),
        ("mmmu", {"options": "profit"}, "options is 'profit', and must be a list of options"),
        ("mmmu", {"question_type": "essay"}, "question_type is 'essay', and must be one of multiple-choice, open"),
        ("mmbench", {"index": "x"}, "index is 'x', and must be a whole number"),
        ("mmbench", {"B": "nan"}, "options A, B, C, D, E: 1 options, and there must be 2 to 26"),
        ("cv_bench", {"source": "ImageNet"}, "source is 'ImageNet', and must be one of ADE20K, COCO, Omni3D"),
        ("mmvp", {"Options": "Open, Closed"}, "Options is 'Open, Closed', and must list them"),
        ("mmvp", {"Index": 0}, "Index is '0', and must be a whole number from 1"),
        ("3dsrbench", {"category": "colour"}, "category is 'colour', and must be one of height_higher"),
        ("mirb", {"subset": "colour"}, "subset is 'colour', and must be one of"),
        ("seed", {"question_type_id": 12}, "question_type_id is '12', and those of pictures are 1 to 9"),
        ("mmstar", {"question": "Which?"}, "question lists no options"),
        ("blink", {"image_1": None, "image_2": None}, "no image_1"),
        ("we_math", {"key": "2steps_3"}, "key is '2steps_3', and must be"),
        ("we_math", {"option": "6 or 12"}, "option is '6 or 12', and must list options"),
        ("mathvista-number", {"answer": "many"}, "answer is 'many', and answer_type says float"),
        ("mathvista", {"answer_type": "essay"}, "answer_type is 'essay', and must be one of"),
        ("mathverse", {"problem_version": "Blind"}, "problem_version is 'blind', and must be one of"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_file_row_and_rule(
    sample: str, change: dict[str, object], rule: str, tmp_path: Path
) -> None:
    one: Sample = SAMPLES[sample]
    with pytest.raises(FileProblem) as told:
        loaded(one.suite, one.write(tmp_path, one.changed(**change)))
    assert f"{one.file}, row 1: {rule}" in str(told.value)


@pytest.mark.parametrize(
    ("sample", "other", "key"),
    [
        ("mmmu", "Accounting/test-0.parquet", "validation_Accounting_1"), ("mmbench", "cn/dev-0.parquet", "1"),
        ("scienceqa", "ScienceQA-FULL/test-0.parquet", "test-0.parquet:1"), ("blink", "Counting/test-0.parquet", "val_Counting_1"),
    ],
)  # fmt: skip
def test_of_a_whole_download_the_part_with_public_answers_is_read(
    sample: str, other: str, key: str, tmp_path: Path
) -> None:
    one = SAMPLES[sample]
    (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / other).write_bytes(b"not read")
    assert loaded(one.suite, one.write(tmp_path))[0].key == key
