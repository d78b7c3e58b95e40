"""ChartQA, DocVQA, TextVQA and OCRBench: their files in both published formats, and what answers are worth, by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import FileProblem, Question
from ratchet.verify.rules.vqa import plain_answer, vqa_accuracy
from tests.benchmarks import encoded, figures, mark_of, parquet, pictures, questions, written
from tests.tiny import png

WORD = "\nAnswer the question with a single word."
PHRASE = "\nAnswer the question using a single word or phrase."


def item(reference: str = "", category: str = "human", **facts: Any) -> Question:
    return Question("1", "?", (png(),), reference, category, facts=facts)


def test_chartqa_reads_both_formats(tmp_path: Path) -> None:
    hf = {
        "type": "human_test",
        "question": "How many food item is shown in the bar graph?",
        "answer": "14",
        "image": encoded(),
    }
    (one,) = questions("chartqa", parquet(tmp_path / "hf", "data/test-00000-of-00001.parquet", [hf]))
    own = [{"imgname": "41699051005347.png", "query": hf["question"], "label": "14"}]
    files = {"test/test_human.json": own, "test/test_augmented.json": own, **pictures("test/png/41699051005347.png")}
    human, augmented = questions("chartqa", written(tmp_path / "own", files))
    assert one.text == human.text == "How many food item is shown in the bar graph?" + WORD
    assert (one.reference, one.category, human.category, augmented.category) == ("14", "human", "human", "augmented")
    assert human.key != augmented.key


def test_chartqa_tells_of_another_type(tmp_path: Path) -> None:
    rows = [{"type": "val", "question": "?", "answer": "1", "image": encoded()}]
    with pytest.raises(FileProblem, match="row 1: type is 'val', and must be human_test or augmented_test"):
        questions("chartqa", parquet(tmp_path, "data/test-0.parquet", rows))


@pytest.mark.parametrize(
    ("label", "answer", "score"),
    [
        ("14", "14", 1), ("14", "14.7", 1), ("14", "14.71", 0), ("14", "13.3", 1), ("14", "The answer is 14.", 1),
        ("1400", "1,400", 1), ("45", "45%", 1), ("0.45", "45%", 1), ("45%", "45", 1), ("45%", "0.45", 1), ("45%", "47%", 1),
        ("0", "0.0", 1), ("0", "0.01", 0), ("-3", "3", 0), ("Yes", "yes", 1), ("Yes", "No", 0), ("Brazil", "Brazil.", 1),
        ("14", "14 or 15", 0), ("14", "many", 0), ("14", "", 0),
    ],
)  # fmt: skip
def test_chartqa_is_relaxed_by_five_per_cent_and_no_more(label: str, answer: str, score: float) -> None:
    assert mark_of("chartqa", item(label), answer).score == score


DOC = {
    "questionId": "337", "question": "what is the date mentioned in this letter?", "question_types": ["handwritten", "form"],
    "docId": 279, "ucsf_document_id": "xnbl0037", "ucsf_document_page_no": "1", "answers": ["1/8/93", "1-8-93"],
    "data_split": "val",
}  # fmt: skip


def test_docvqa_reads_both_formats(tmp_path: Path) -> None:
    row = {**DOC, "image": encoded()}
    (one,) = questions("docvqa", parquet(tmp_path / "hf", "DocVQA/validation-00000-of-00006.parquet", [row]))
    own = {"dataset_name": "SP-DocVQA", "data": [{**DOC, "questionId": 337, "image": "documents/xnbl0037_1.png"}]}
    (other,) = questions(
        "docvqa", written(tmp_path / "own", {"val_v1.0_withQT.json": own, **pictures("documents/xnbl0037_1.png")})
    )
    assert one == other
    assert (one.key, one.text, one.cluster) == ("337", DOC["question"] + PHRASE, "279")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ({"data": [{**DOC, "answers": None, "image": "a.png"}]}, "row 1: no answers"),
        (
            {"data": [{**DOC, "answers": [], "image": "a.png"}]},
            "row 1: answers must be a list of at least one text; the test split",
        ),
        ([DOC], "must be an object with its rows in a list `data`"),
    ],
)
def test_docvqa_tells_of_a_file_without_answers(tmp_path: Path, content: Any, rule: str) -> None:
    with pytest.raises(FileProblem, match=rf"val_v1.0_withQT.json.*{rule}"):
        questions("docvqa", written(tmp_path, {"val_v1.0_withQT.json": content, **pictures("a.png")}))


@pytest.mark.parametrize(
    ("answer", "score"),
    # Edits of six characters: 0, 1, 3 (a half stays), 4 (below it).
    [("1/8/93", 1.0), (" 1-8-93 ", 1.0), ("1/8/94", 5 / 6), ("1/8///", 4 / 6), ("1/8", 0.5), ("1/", 0.0), ("", 0.0)],
)
def test_docvqa_scores_by_edits_to_the_nearest_answer(answer: str, score: float) -> None:
    found = mark_of("docvqa", item(answers=["1/8/93", "1-8-93"], kinds=[]), answer)
    assert found.score == pytest.approx(score)


def test_docvqa_counts_an_item_under_each_of_its_kinds(tmp_path: Path) -> None:
    asked = questions("docvqa", parquet(tmp_path, "validation-0.parquet", [{**DOC, "image": encoded()}]))
    found = figures("docvqa", asked, lambda _: "1/8/93")
    assert (found["anls"], sorted(found["categories"])) == (1.0, ["form", "handwritten"])


TEXT = {
    "image_id": "003a8ae2ef43b901", "question_id": 34602, "question": "what is the brand of this camera?",
    "image_classes": ["Cassette deck", "Printer"], "image_width": 1024, "image_height": 664, "set_name": "val",
    "answers": ["nous les gosses", "dakota", "clos culombu", "dakota digital", "dakota", "dakota", "dakota digital",
                "dakota digital", "dakota", "dakota"],
}  # fmt: skip


def test_textvqa_reads_both_formats(tmp_path: Path) -> None:
    row = {**TEXT, "image": encoded(), "ocr_tokens": ["DAKOTA", "DIGITAL"]}
    (one,) = questions("textvqa", parquet(tmp_path / "hf", "data/validation-00000-of-00003.parquet", [row]))
    own = {"dataset_type": "val", "dataset_name": "textvqa", "data": [TEXT]}
    files = {"TextVQA_0.5.1_val.json": own, **pictures("train_images/003a8ae2ef43b901.jpg")}
    (other,) = questions("textvqa", written(tmp_path / "own", files))
    assert one == other
    assert (one.key, one.reference, one.text) == ("34602", "dakota", "What is the brand of this camera?" + PHRASE)


TIED = """
import sys
from tests.benchmarks import questions
print(questions("textvqa", __import__("pathlib").Path(sys.argv[1]))[0].reference)
"""


def test_textvqa_takes_the_first_of_answers_as_frequent_in_every_process(tmp_path: Path) -> None:
    tied = {**TEXT, "answers": ["nokia", "samsung", "lg", "sony", "htc"] * 2}
    files = {"TextVQA_0.5.1_val.json": {"data": [tied]}, **pictures("train_images/003a8ae2ef43b901.jpg")}
    command = [sys.executable, "-c", TIED, str(written(tmp_path, files))]
    said = [
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True)
        for seed in ("1", "2", "3")
    ]
    assert [one.stdout.strip() for one in said] == ["nokia"] * 3


def test_textvqa_tells_that_the_test_split_has_no_answers(tmp_path: Path) -> None:
    rows = [{**TEXT, "answers": [], "image": encoded()}]
    with pytest.raises(
        FileProblem, match="row 1: answers must be a list of at least one text; the test split has none"
    ):
        questions("textvqa", parquet(tmp_path, "data/test-0.parquet", rows))


def test_textvqa_counts_the_people_who_say_the_same() -> None:
    def score(answer: str) -> float | None:
        return mark_of("textvqa", item(answers=TEXT["answers"]), answer).score

    # Five said dakota, three dakota digital (two thirds for each of them, all for seven), one nous les gosses.
    assert score("Dakota.") == 1.0
    assert score("dakota digital") == pytest.approx((3 * 2 / 3 + 7) / 10)
    assert score("nous les gosses") == pytest.approx((0 + 9 / 3) / 10)
    assert score("kodak") == 0.0


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The two dogs!", "2 dogs"),
        ("dont", "don't"),
        ("1,000", "1000"),
        ("well-known", "well known"),
        ("3.5", "3.5"),
        ("a b.", "b"),
    ],
)
def test_text_is_read_by_the_published_rules(text: str, plain: str) -> None:
    assert plain_answer(text) == plain


def test_an_answer_of_nobody_else_counts_nothing() -> None:
    assert vqa_accuracy("stop", ["stop"]) == 0.0


OCR = {"dataset": "IIIT5K", "question": "what is written in the image?", "question_type": "Regular Text Recognition",
       "answer": ["CENTRE"]}  # fmt: skip
OWN = {"dataset_name": "IIIT5K", "image_path": "IIIT5K/test/1.png", "question": OCR["question"], "answers": "CENTRE",
       "type": OCR["question_type"], "id": 0}  # fmt: skip


def test_ocrbench_reads_both_formats(tmp_path: Path) -> None:
    (one,) = questions(
        "ocrbench", parquet(tmp_path / "hf", "data/test-00000-of-00001.parquet", [{**OCR, "image": encoded()}])
    )
    files = {
        "OCRBench/OCRBench.json": [OWN],
        **pictures("OCRBench_Images/IIIT5K/test/1.png", "OCRBench_Images/SVT/1.png"),
    }
    (other,) = questions("ocrbench", written(tmp_path / "own", files))
    assert (one.text, one.facts, one.category) == (other.text, other.facts, other.category)
    assert one.text == OCR["question"]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"question_type": "Smell"}, "question_type is 'Smell'"),
        ({"answer": [""]}, "answer must be a text or a list of texts"),
    ],
)
def test_ocrbench_tells_of_a_wrong_row(tmp_path: Path, changed: dict[str, Any], rule: str) -> None:
    rows = [{**OCR, "image": encoded(), **changed}]
    with pytest.raises(FileProblem, match=f"row 1: {rule}"):
        questions("ocrbench", parquet(tmp_path, "data/test-0.parquet", rows))


@pytest.mark.parametrize(
    ("answers", "dataset", "answer", "score"),
    [
        (["CENTRE"], "IIIT5K", "It says: centre.", 1), (["CENTRE"], "IIIT5K", "CENT RE", 0), (["a", "b"], "SVT", "B", 1),
        (["12"], "SVT", "１２", 1), (["x ^ 2"], "HME100k", "x^2 = 4", 1), (["X"], "HME100k", "x", 0), (["stop\nnow"], "SVT", "stop now", 1),
    ],
)  # fmt: skip
def test_ocrbench_looks_for_the_text_in_the_answer(answers: list[str], dataset: str, answer: str, score: float) -> None:
    assert mark_of("ocrbench", item(answers=answers, dataset=dataset), answer).score == score


def test_ocrbench_scores_of_a_thousand(tmp_path: Path) -> None:
    rows = [{**OCR, "image": encoded()}, {**OCR, "image": encoded(), "question_type": "Doc-oriented VQA"}]
    asked = questions("ocrbench", parquet(tmp_path, "data/test-0.parquet", rows))
    found = figures("ocrbench", asked, lambda one: "centre" if one.category == "Doc-oriented VQA" else "?")
    assert (found["score"], found["accuracy"], found["recognition"]) == (500.0, 0.5, 0.0)
