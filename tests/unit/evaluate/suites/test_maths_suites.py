"""MathVista, MathVerse, MathVision and We-Math: what of an answer counts, and their figures by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.evaluate.suites import Asked, Question
from ratchet.evaluate.suites.base import Mark
from ratchet.evaluate.suites.maths_answers import equation, final, number, option, sequence
from tests.unit.evaluate.suites.samples import SAMPLES, figures
from tests.unit.evaluate.suites.test_choice_metrics import made, part


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ("\\boxed{1} or rather \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"), ("First 3. The answer is 12. I checked.", "12"),
        ("The answer is 3; no, the answer is: 4", "4"), ("12 cm", "12 cm"), ("<think>3</think>4", "4"), ("<think>3", ""), ("", ""),
        ("<answer>B</answer>", "B"), ("The answer is", "The answer is"),
    ],
)  # fmt: skip
def test_the_last_box_or_statement_counts(answer: str, counts: str) -> None:
    assert final(answer) == counts


def marked(by: object, reference: str, answer: str, *rest: object, texts: tuple[str, ...] = ()) -> Mark:
    assert callable(by)
    found = by(Asked("k", "c", reference, {"options": list(texts)}), answer, *rest)
    assert isinstance(found, Mark)
    return found


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("12", "So \\boxed{12}", True), ("\\frac{1}{2}", "The answer is 0.5", True), ("3\\sqrt{2}", "\\boxed{3\\sqrt2}", True),
        ("(2,3)", "\\boxed{(2, 3)}", True), ("(2,3)", "\\boxed{(3, 2)}", False), ("12", "13", False),
    ],
)  # fmt: skip
def test_formulas_are_compared_as_mathematics(reference: str, answer: str, right: bool) -> None:
    assert marked(equation, reference, answer).correct is right


@pytest.mark.parametrize(
    ("reference", "answer", "digits", "right"),
    [
        ("14", "The number missing is 14.", 6, True), ("1000", "$1,000", 6, True), ("3", "3.7", 6, False), ("1.45", "It is \\$1.452", 2, True),
        ("0.6", "0.65", 1, False), ("5", "fifty", 6, False), ("12", "3 + 9 gives 12", 6, True),
    ],
)  # fmt: skip
def test_numbers_are_compared_to_the_precision_asked_for(reference: str, answer: str, digits: int, right: bool) -> None:
    assert marked(number, reference, answer, digits).correct is right


def test_an_unreadable_number_is_wrong_and_unparsed() -> None:
    assert marked(number, "5", "I cannot tell", 6) == Mark(0.0, None, "unparsed")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("The answer is 5 of the 10 cars.", None), ("It is 5, not 7", None), ("There are 3 cats and 2 dogs", None),
        ("1/2", "0.50"), ("So 3 / 4 = 0.75.", "0.75"), ("First 3 + 4 = 7.\nThen 7 * 2 = 14.", "14.00"), ("5, yes 5", "5.00"),
        ("<think>3</think> The answer is 4.", "4.00"), ("There are 3.\nThat is all.", "3.00"),
    ],
)  # fmt: skip
def test_two_numbers_are_ambiguous_and_the_end_of_a_calculation_counts(answer: str, said: str | None) -> None:
    found = marked(number, "5", answer, 2)
    assert (found.said, found.reason == "ambiguous") == (said, said is None)


def test_a_list_of_the_thinking_or_before_the_stated_answer_does_not_count() -> None:
    assert marked(sequence, "[1, 2]", "<think>maybe [1, 2]</think> I do not know.").said is None
    assert marked(sequence, "[1, 2]", "The answer is [1, 2]. It is not [2, 1]").correct


def test_lists_are_compared_in_their_order() -> None:
    assert marked(sequence, "[2007, 2008]", "between [1, 2], so [2007, 2008.0]").correct
    assert not marked(sequence, "[2007, 2008]", "[2008, 2007]").correct
    assert marked(sequence, "[2007, 2008]", "2007 to 2008").said is None


def test_an_option_is_read_by_letter_text_or_value() -> None:
    texts = ("$\\frac{1}{2}$", "$\\frac{1}{3}$", "$2$")
    for answer in ("A", "\\boxed{A}", "\\boxed{\\frac{1}{2}}", "The answer is 0.5.", "the answer is (A)"):
        assert marked(option, "A", answer, texts=texts)[:2] == (1.0, "A")
    assert not marked(option, "A", "The answer is 2", texts=texts).correct
    assert marked(option, "A", "The answer is 7", texts=texts).said is None


def test_mathvista_counts_by_skill_and_does_not_take_what_looks_similar(tmp_path: Path) -> None:
    two = {
        "pid": "2",
        "metadata": {
            **SAMPLES["mathvista"].rows[0]["metadata"],
            "skills": ["statistical reasoning", "arithmetic reasoning"],
        },
    }
    found = figures("mathvista", made("mathvista", tmp_path, {}, two), lambda q: "B" if q.key == "1" else "smallish")
    assert (found["accuracy"], found["unparsed"]) == (0.5, 0.5)
    assert (part(found, "skills", "arithmetic reasoning"), part(found, "skills", "statistical reasoning")) == (0.5, 0.0)


def test_a_reference_of_mathvista_is_its_text_even_where_texts_are_letters(tmp_path: Path) -> None:
    (found,) = made("mathvista", tmp_path, {"choices": ["B", "A"], "answer": "A"})
    assert found.reference == "B"


def test_mathverse_leaves_the_version_without_a_figure_out(tmp_path: Path) -> None:
    questions = made(
        "mathverse",
        tmp_path,
        {},
        {"problem_version": "Text Only", "sample_index": "3"},
        {"problem_version": "Vision Only", "sample_index": "4"},
    )
    assert [(q.category, q.cluster) for q in questions] == [
        ("text lite", "mathverse-1"),
        ("vision only", "mathverse-1"),
    ]
    found = figures("mathverse", questions, lambda q: "12" if q.key == "4" else "10")
    assert (found["accuracy"], part(found, "categories", "vision only"), part(found, "subjects", "Plane Geometry")) == (
        0.5,
        1.0,
        0.5,
    )


def test_mathvision_counts_by_level(tmp_path: Path) -> None:
    questions = made("mathvision", tmp_path, {}, {"id": "5", "level": 5})
    found = figures("mathvision", questions, lambda q: "\\boxed{B}" if q.key == "5" else "\\boxed{C}")
    assert (found["accuracy"], part(found, "levels", "level 5"), [q.difficulty for q in questions]) == (
        0.5,
        1.0,
        [2.0, 5.0],
    )


WRONG = {
    "1": set[str](), "2": {"2steps_1"}, "3": {"2steps_multi"}, "4": {"2steps_1", "2steps_multi"}, "5": {"2steps_1", "2steps_2"},
}  # fmt: skip
"""Problem to the questions that are answered wrongly: mastery; rote (strictly) or mastery (loosely); inadequate; insufficient; rote."""


def we_math(folder: Path) -> list[Question]:
    keys = ("2steps_1", "2steps_2", "2steps_multi")
    return made("we_math", folder, *({"ID": problem, "key": key} for problem in WRONG for key in keys))


def we_math_answer(question: Question) -> str:
    key, _, problem = question.key.rpartition("-")
    return f"<Thought process>: <<A or B?>> <Answer>: <<{'C' if key in WRONG[problem] else 'B'}>>"


def test_we_math_tells_what_is_known_from_what_is_put_together(tmp_path: Path) -> None:
    found = figures("we_math", we_math(tmp_path), we_math_answer)
    # Strictly 1 mastery and 1 inadequate of 5, loosely 2 and 1.
    assert (found["strict"], found["loose"], found["problems"]) == (0.3, 0.5, 5)
    assert found["strict_parts"] == {
        "complete_mastery": 0.2, "inadequate_generalisation": 0.2, "insufficient_knowledge": 0.2, "rote_memorisation": 0.666667,
    }  # fmt: skip
    loose = found["loose_parts"]
    assert isinstance(loose, dict)
    assert loose["rote_memorisation"] == 0.333333
    assert (found["one_step"], found["two_step"], found["three_step"]) == (0.6, 0.6, None)


def test_a_we_math_problem_without_all_its_steps_is_left_out(tmp_path: Path) -> None:
    questions = made("we_math", tmp_path, *({"key": key} for key in ("3steps_1", "3steps_2", "3steps_multi")))
    found = figures("we_math", questions, lambda q: "B")
    assert (found["strict"], found["problems"], found["problems_left_out"]) == (None, 0, 1)
