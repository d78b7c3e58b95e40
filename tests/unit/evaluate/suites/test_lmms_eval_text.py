"""Text and judging: the same predictions give the same score in lmms-eval and here; where its metric is faulty, a test has both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet.verify.rules.vqa import plain_answer
from tests import crosscheck
from tests.benchmarks import asked, encoded, figures, mark_of, parquet, questions


def chartqa(answer: str, label: str) -> tuple[float, float | None]:
    theirs = crosscheck.task("chartqa")
    found = theirs.chartqa_process_results({"type": "human_test", "answer": label}, [answer])["relaxed_overall"]
    return found, mark_of("chartqa", asked("1", label, "human"), answer).score


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("14", "14"), ("14.7", "14"), ("14.8", "14"), ("13.2", "14"), ("0.45", "0.45"), ("45%", "0.45"), ("45%", "45%"), ("3", "-3"),
        ("Yes", "yes"), ("No", "Yes"), ("Brazil", "Brazil"), ("brazil", "Chile"), ("2010", "2011"),
    ],
)  # fmt: skip
def test_chartqa_is_the_same_on_plain_answers(answer: str, label: str) -> None:
    theirs, ours = chartqa(answer, label)
    assert theirs == ours


@pytest.mark.parametrize(
    ("answer", "label"), [("1,400", "1400"), ("45%", "45"), ("0.0", "0"), ("It is 14.", "14"), ("$5", "5")]
)
def test_chartqa_reads_numbers_here_that_are_none_there(answer: str, label: str) -> None:
    assert chartqa(answer, label) == (0.0, 1.0)


def docvqa(answer: str, answers: Sequence[str]) -> tuple[float, float | None]:
    theirs = crosscheck.module("api.metrics").anls(list(answers), [[answer]])["anls"]
    return theirs, mark_of("docvqa", asked("1", answers[0], answers=list(answers), kinds=[]), answer).score


@pytest.mark.parametrize("answer", ["1/8/93", "1-8-94", "1/8", "8", "JAN 8", "january 8, 1993", "The date"])
def test_docvqa_is_the_same_on_answers_without_stray_blanks(answer: str) -> None:
    theirs, ours = docvqa(answer, ["1/8/93", "1-8-93", "January 8, 1993"])
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_blanks_around_an_answer_raise_its_anls_there_and_not_here() -> None:
    assert docvqa("cat", ["dog"]) == (0.0, 0.0)
    theirs, ours = docvqa("cat" + " " * 3, ["dog"])
    assert (theirs, ours) == (0.5, 0.0)


PEOPLE = ["stop", "Stop", "stop.", "STOP sign", "stop sign", "the stop", "2", "two", "dont walk", "don't walk"]


@pytest.mark.parametrize(
    "answer", ["stop", "a stop!", "Stop Sign", "2", "Two", "don't walk", "dont-walk", "none", "1,000", "st.op", "?"]
)
def test_textvqa_is_the_same(answer: str) -> None:
    theirs = crosscheck.task("textvqa").textvqa_process_results({"question_id": 1, "answers": list(PEOPLE)}, [answer])
    assert mark_of("textvqa", asked("1", "stop", answers=PEOPLE), answer).score == pytest.approx(theirs["exact_match"])


def test_vqas_normalisation_is_theirs_on_every_word_of_their_tables() -> None:
    theirs = crosscheck.module("tasks._task_utils.vqa_eval_metric").EvalAIAnswerProcessor
    # With an apostrophe inside already, or a capital, their entry is a misprint or out of reach.
    words = [word for word in theirs.CONTRACTIONS if "'" not in word and word.islower()]
    said = [
        *words,
        *theirs.NUMBER_MAP,
        *theirs.ARTICLES,
        "I'm ok",
        "U.S.A.",
        "3.14",
        "a/b",
        "x - y",
        "No. 5",
        "(left)",
        "24,000 km",
    ]
    assert {one: plain_answer(one) for one in said} == {one: theirs()(one) for one in said}


OCR_ROWS = [
    ({"dataset": "IIIT5K", "question_type": "Regular Text Recognition", "answer": ["CENTRE"]}, "the word is Centre"),
    ({"dataset": "SVT", "question_type": "Irregular Text Recognition", "answer": ["a", "b"]}, "c"),
    (
        {"dataset": "HME100k", "question_type": "Handwritten Mathematical Expression Recognition", "answer": ["x ^ 2"]},
        "x^2",
    ),
    ({"dataset": "docVQA", "question_type": "Doc-oriented VQA", "answer": ["１２"]}, "12"),
]


def test_ocrbench_marks_the_same_and_its_sum_over_a_thousand_is_ours_of_what_was_asked(tmp_path: Path) -> None:
    theirs = crosscheck.task("ocrbench")
    theirs.generate_submission_file = lambda name, args, subpath="": str(tmp_path / name)
    rows, answers = zip(*OCR_ROWS, strict=True)
    made = [
        theirs.ocrbench_process_results(row, [one])["ocrbench_accuracy"] for row, one in zip(rows, answers, strict=True)
    ]
    questions = [
        asked(str(n), row["answer"][0], row["question_type"], answers=row["answer"], dataset=row["dataset"])
        for n, row in enumerate(rows)
    ]
    marks = [mark_of("ocrbench", one, answer) for one, answer in zip(questions, answers, strict=True)]
    assert [one.score for one in marks] == [one["score"] for one in made] == [1, 0, 1, 1]
    ours = figures("ocrbench", questions, {str(n): answer for n, answer in enumerate(answers)})
    assert theirs.ocrbench_aggregate_accuracy(made, None) == 0.003
    assert theirs.ocrbench_aggregate_accuracy(made, None) == 0.006, "a second run in one process adds to the first"
    assert (ours["accuracy"], ours["score"]) == (0.75, 750.0)


class Heads:
    """In place of their `random`: a coin that shows heads."""

    @staticmethod
    def choice(options: Sequence[int]) -> int:
        return options[0]


def reward(judgement: str, ranking: list[int]) -> float:
    theirs = crosscheck.task("vl_rewardbench")
    theirs.parse_by_llm = lambda response: "unclear"
    theirs.random = Heads
    row = {"id": "rlhf-1", "response": ["aa", "bb"], "human_ranking": ranking}
    return float(theirs.vlrewardbench_process_results(row, [judgement])["vlreward_score"]["score"])


def test_vl_rewardbench_agrees_on_which_answer_is_better() -> None:
    assert [reward(f"Overall Judgment: Answer {n} is better.", [0, 1]) for n in (1, 2)] == [1.0, 0.0]
    assert [reward(f"Overall Judgment: Answer {n} is better.", [1, 0]) for n in (1, 2)] == [0.0, 1.0]
    ours = [
        mark_of("vl_rewardbench", asked("a#0", "first", "hallucination", "a"), said).score
        for said in ("first", "second")
    ]
    assert ours == [1.0, 0.0]


def test_a_reply_that_says_nothing_is_decided_by_a_coin_there_and_wrong_here() -> None:
    assert reward("Hard to say.", [0, 1]) == 1.0
    assert mark_of("vl_rewardbench", asked("a#0", "first", "hallucination", "a"), "Hard to say.").score == 0.0


PROMPTED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("pope", "pope.yaml", "pope_doc_to_text", {"question_id": "1", "question": "Is there a dog?", "answer": "yes", "category": "random"}),
    ("mme", "mme.yaml", "mme_doc_to_text", {"question_id": "a/1.png", "question": "A dog? Please answer yes or no.", "answer": "Yes", "category": "count"}),
    ("chartqa", "chartqa.yaml", "chartqa_doc_to_text", {"question": "How many bars?", "answer": "4", "type": "human_test"}),
    ("docvqa", "_default_template_docvqa_yaml", "docvqa_doc_to_text", {"questionId": "1", "question": "What is the date?", "answers": ["1"]}),
    ("textvqa", "_default_template_textvqa_yaml", "textvqa_doc_to_text",
     {"question_id": 1, "image_id": "a", "question": "what is the brand of this Camera?", "answers": ["1"] * 10}),
    ("ocrbench", "ocrbench.yaml", "ocrbench_doc_to_text",
     {"question": "what is written?", "answer": ["a"], "question_type": "Doc-oriented VQA", "dataset": "docVQA"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "function", "row"), PROMPTED, ids=[one[0] for one in PROMPTED])
def test_the_model_reads_the_same_prompt(
    tmp_path: Path, name: str, file: str, function: str, row: dict[str, Any]
) -> None:
    (ours,) = questions(name, parquet(tmp_path, "data/validation-test-0.parquet", [{**row, "image": encoded()}]))
    assert ours.text == getattr(crosscheck.task(name), function)(row, crosscheck.prompts(name, file))
