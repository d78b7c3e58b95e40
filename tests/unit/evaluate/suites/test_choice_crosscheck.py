"""The same predictions give the same score in lmms-eval and here; where they do not, both are shown and ours is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import suite
from ratchet.evaluate.suites.options import placed
from tests import crosscheck
from tests.unit.evaluate.suites import theirs
from tests.unit.evaluate.suites.samples import SAMPLES, WE_MATH, answered, figures, loaded
from tests.unit.evaluate.suites.theirs import THEIRS

LETTERS = ("B", "A", "B.", "A.", "C", "Z")
WORDS = {
    "mathvista": ("smaller", "larger"),
    "mathvista-number": ("1.45", "1.454", "1.5", "2"),
    "mathvision": ("B", "A", "\\boxed{B}", "\\boxed{A}", "The answer is B"),
    "mathvision-jsonl": ("\\boxed{12}", "\\boxed{2}", "The answer is 12."),
    "mmmu-open": ("$6,000", "The answer is $6,000.", "5000", "Thus the answer is $6,000\nas said"),
    "mirb-open": ("mother", "The answer is mother.", "father"),
    "mantis-short": ("Final Answer: Twelve", "Six. Final Answer: six", "The answer is twelve"),
    "mmvp": ("B", "A", "B.", "(B)", "(A)", "The answer is B"),
    "blink": ("B", "A", "(B)", "(A)", "The answer is (B)", "so I pick (A)"),
    "mmmu": ("B", "A", "(B)", "The answer is (B).", "I take B because of the table"),
    "mantis": ("B", "A", "(B)", "The answer is (A)", "Final Answer: B", "Answer: B"),
    "mmstar": ("B", "A", "(B)", "The correct answer is (B).", "B. blue", "I choose D"),
}
AGREE = ["mmstar", "seed", "scienceqa", "ai2d", "realworldqa", "cv_bench", "cv_bench-jsonl", "mmvp", "3dsrbench", "blink", "muirbench",
         "mirb", "mirb-open", "mantis", "mantis-short", "mmmu", "mmmu-open", "mathvista", "mathvista-number", "mathvision",
         "mathvision-jsonl"]  # fmt: skip


def ours(sample: str, folder: Path, said: str, **change: object) -> float | None:
    one = SAMPLES[sample]
    questions = loaded(one.suite, one.write(folder, one.changed(**change)))[:1]
    (row,) = answered(one.suite, questions, lambda _: said)
    return row.mark.score


@pytest.mark.parametrize("sample", AGREE)
def test_plain_answers_score_alike(sample: str, tmp_path: Path) -> None:
    row = SAMPLES[sample].rows[0]
    score = THEIRS[SAMPLES[sample].suite]
    said = WORDS.get(sample, LETTERS)
    assert {one: ours(sample, tmp_path, one) for one in said} == {one: score(row, one) for one in said}


@pytest.mark.parametrize(
    ("sample", "change", "said", "right"),
    [
        # A reply's first letter is no option.
        ("seed", {}, "Because it is so, A", False), ("cv_bench", {}, "Because it is so, A", False), ("blink", {}, "Because, A", False),
        ("mantis", {}, "Because it is so, A", False), ("mmvp", {}, "Beside the point", False),
        # A letter in brackets, an option's text and a sentence are answers.
        ("scienceqa", {}, "(B)", True), ("ai2d", {}, "The answer is B", True), ("muirbench", {}, "(B)", True), ("mirb", {}, "(B)", True),
        ("mmstar", {}, "blue", True), ("realworldqa", {}, "b", True), ("3dsrbench", {}, "cat", True), ("mathvision", {}, "B. as drawn", True),
        # Words count whole, lists of references are lists, sentences end.
        ("mirb-open", {"answers": "red"}, "infrared", False), ("mmmu-open", {"answer": "ion"}, "fashion", False),
        ("mmmu-open", {"answer": "['24/7', '3.429']"}, "3.43", True), ("mmmu-open", {"answer": "1.06"}, "It is 1.06. That is so in meters", True),
    ],
)  # fmt: skip
def test_where_they_differ_ours_is_right(
    sample: str, change: dict[str, object], said: str, right: bool, tmp_path: Path
) -> None:
    score = THEIRS[SAMPLES[sample].suite]
    assert ours(sample, tmp_path, said, **change) == float(right)
    assert score({**SAMPLES[sample].rows[0], **change}, said) == float(not right)


def test_a_silent_model_scores_by_chance_in_theirs_and_nothing_here(tmp_path: Path) -> None:
    assert {theirs.mmmu(SAMPLES["mmmu"].rows[0], "") for _ in range(64)} == {0.0, 1.0}
    assert ours("mmmu", tmp_path, "") == 0.0


def test_theirs_takes_the_option_that_looks_similar_for_no_answer(tmp_path: Path) -> None:
    short = {"choices": ["much larger", "less"], "answer": "less"}
    assert theirs.mathvista({**SAMPLES["mathvista"].rows[0], **short}, "I cannot see it") == 1.0
    assert ours("mathvista", tmp_path, "I cannot see it", **short) == 0.0


def test_theirs_cuts_a_number_to_an_integer(tmp_path: Path) -> None:
    judge = theirs.task("mathvista", "mathvista_evals").MathVistaEvaluator()
    assert judge.safe_equal(judge.normalize_extracted_answer("3.7", [], "free_form", "integer", 0), "3")
    assert ours("mathvista-number", tmp_path, "3.7", answer_type="integer", answer="3") == 0.0


def rows_of(sample: str, *changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**SAMPLES[sample].rows[0], **change} for change in changes]


def both(sample: str, folder: Path, rows: Sequence[Mapping[str, Any]], said: Sequence[str]) -> Mapping[str, Any]:
    one = SAMPLES[sample]
    questions = loaded(one.suite, one.write(folder, rows))
    spoken = dict(zip([q.key for q in questions], said, strict=True))
    return figures(one.suite, questions, lambda q: spoken[q.key])


def test_mmbench_circular_is_theirs(tmp_path: Path) -> None:
    turned = {"A": "blue", "B": "red", "answer": "A"}
    rows = rows_of(
        "mmbench", {"index": 1}, {"index": 2}, {"index": 1_000_001, **turned}, {"index": 1_000_002, **turned}
    )
    said = ["B", "B. blue", "B", "A"]
    assert both("mmbench", tmp_path, rows, said)["circular"] == theirs.mmbench(rows, said) == 0.5


def test_cv_bench_is_the_formula_that_theirs_keeps_and_does_not_call(tmp_path: Path) -> None:
    sources = ["ADE20K", "COCO", "COCO", "COCO", "Omni3D", "Omni3D"]
    rows = rows_of("cv_bench", *({"idx": index, "source": source} for index, source in enumerate(sources)))
    said = ["B", "B", "A", "A", "B", "A"]
    task = theirs.task("cv_bench")
    results = [task.cv_bench_process_results(row, [one])["cv_bench_acc"] for row, one in zip(rows, said, strict=True)]
    found = both("cv_bench", tmp_path, rows, said)
    assert found["accuracy"] == pytest.approx(task.cv_bench_default_aggregate_results(results), abs=1e-6)
    assert found["items_accuracy"] == pytest.approx(task.cv_bench_aggregate_results(results), abs=1e-6)


def test_mmvp_pairs_are_theirs(tmp_path: Path) -> None:
    rows = rows_of(
        "mmvp", *({"Index": index, "Correct Answer": "(a)" if index % 2 else "(b)"} for index in range(1, 7))
    )
    said = ["A", "B", "A", "A", "B", "B"]
    results = [
        theirs.task("mmvp").mmvp_process_results(row, [one])["mmvp_pair_accuracy"]
        for row, one in zip(rows, said, strict=True)
    ]
    found = both("mmvp", tmp_path, rows, said)
    assert found["pair_accuracy"] == pytest.approx(theirs.task("mmvp").mmvp_aggregate_pair_results(results), abs=1e-6)
    assert found["accuracy"] == pytest.approx(theirs.task("mmvp").mmvp_aggregate_results(results), abs=1e-6)


def test_3dsrbench_flips_and_turns_are_theirs_where_ids_have_eight_characters(tmp_path: Path) -> None:
    ids = [f"{base}{end}" for base in ("VIN6MS3J", "AAAA1111", "BBBB2222") for end in ("", "-1", "-flip", "-flip-1")]
    rows = rows_of("3dsrbench", *({"qid": qid} for qid in ids))
    said = ["A" if qid in ("VIN6MS3J-flip-1", "AAAA1111", "AAAA1111-flip") else "B" for qid in ids]
    task = theirs.task("3dsrbench")
    results = [task.process_results(row, [one])["flip_accuracy"] for row, one in zip(rows, said, strict=True)]
    found = both("3dsrbench", tmp_path, rows, said)
    for name, aggregate in {
        "flip_circular": task.aggregate_flip_circular_accuracy, "circular": task.aggregate_circular_accuracy,
        "flip": task.aggregate_flip_accuracy, "vanilla": task.aggregate_vanilla_accuracy,
    }.items():  # fmt: skip
        assert found[name] == pytest.approx(aggregate(results), abs=1e-6), name


def test_mmstar_axes_mean_is_their_average(tmp_path: Path) -> None:
    rows = rows_of("mmstar", *({"index": index, "l2_category": axis} for index, axis in enumerate("aaab")))
    said = ["A", "B", "A", "B"]
    task = theirs.task("mmstar")
    with crosscheck.standing_in():
        results = [task.mmstar_process_results(row, [one])["average"] for row, one in zip(rows, said, strict=True)]
    found = both("mmstar", tmp_path, rows, said)
    assert found["axes_mean"] == pytest.approx(task.mmstar_aggregate_results(results), abs=1e-6)
    assert found["accuracy"] == 0.5 != found["axes_mean"]


def test_we_math_counts_its_four_kinds_as_theirs(tmp_path: Path) -> None:
    wrong = [set(), {"1"}, {"multi"}, {"1", "multi"}, {"1", "2"}, {"1", "2", "3"}, {"3", "multi"}]
    steps = [2, 2, 2, 2, 2, 3, 3]
    rows = rows_of("we_math", *(
        {"ID": str(problem), "key": f"{n}steps_{step}"} for problem, n in enumerate(steps) for step in (*"123"[:n], "multi")
    ))  # fmt: skip
    right = [row["key"].partition("_")[2] not in wrong[int(row["ID"])] for row in rows]
    counts = theirs.we_math(rows, right, len(steps))
    one = SAMPLES["we_math"]
    questions = loaded(one.suite, one.write(tmp_path, rows))
    said = {q.key: f"<Answer>: <<{'B' if well else 'A'}>>" for q, well in zip(questions, right, strict=True)}
    found = figures("we_math", questions, lambda q: said[q.key])
    for name in ("strict", "loose"):
        parts = found[f"{name}_parts"]
        assert isinstance(parts, dict)
        assert parts["complete_mastery"] == pytest.approx(counts[f"CompleteMastery_{name}"] / 7, abs=1e-6)
        assert parts["inadequate_generalisation"] == pytest.approx(counts["InadequateGeneralization"] / 7, abs=1e-6)
        assert parts["insufficient_knowledge"] == pytest.approx(counts["InsufficientKnowledge"] / 7, abs=1e-6)
        rote = counts[f"RoteMemorization_{name}"]
        assert parts["rote_memorisation"] == pytest.approx(rote / (rote + counts[f"CompleteMastery_{name}"]), abs=1e-6)
        assert found[name] == pytest.approx(
            (7 - counts["InadequateGeneralization"] / 2 - rote - counts["InsufficientKnowledge"]) / 7, abs=1e-6
        )
    assert WE_MATH["ID"] == "7"


def test_every_suite_that_theirs_has_without_a_judge_is_checked() -> None:
    checked = {SAMPLES[name].suite for name in AGREE} | {"mmbench", "we_math"}
    assert {one.suite for one in SAMPLES.values()} - checked == {"mathverse"}
    assert suite("mathverse").judged is None


@pytest.mark.parametrize(
    ("sample", "name", "file", "function"),
    [
        ("ai2d", "ai2d", "ai2d.yaml", "ai2d_doc_to_text"), ("scienceqa", "scienceqa", "scienceqa_img.yaml", "sqa_doc_to_text"),
        ("mmvp", "mmvp", "_default_template_yaml", "mmvp_doc_to_text"), ("realworldqa", "realworldqa", "realworldqa.yaml", "realworldqa_doc_to_text"),
        ("mathverse", "mathverse", "mathverse_testmini.yaml", "mathverse_doc_to_text"), ("muirbench", "muirbench", "muirbench.yaml", "muir_doc_to_text"),
        ("mmmu", "mmmu", "mmmu_val.yaml", "mmmu_doc_to_text"), ("mmmu-open", "mmmu", "mmmu_val.yaml", "mmmu_doc_to_text"),
        ("mantis-short", "mantis", "mantis.yaml", "mantis_doc_to_text"),
    ],
)  # fmt: skip
def test_the_prompt_is_theirs_with_pictures_named_and_no_empty_lines(
    sample: str, name: str, file: str, function: str, tmp_path: Path
) -> None:
    one = SAMPLES[sample]
    row = {**one.rows[0], "question": "Which?"} if sample == "mmmu-open" else one.rows[0]
    (first, *_) = loaded(one.suite, one.write(tmp_path, [row, *one.rows[1:]]))
    said = getattr(theirs.task(name), function)(row, crosscheck.prompts(name, file))
    assert first.text.replace("\n\n", "\n") == placed(said).replace("\n\n", "\n")


def test_seeds_prompt_is_theirs(tmp_path: Path) -> None:
    one = SAMPLES["seed"]
    assert loaded("seed", one.write(tmp_path))[0].text == theirs.task("seedbench").seed_doc_to_text(one.rows[0])
