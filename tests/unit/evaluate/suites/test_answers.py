"""What is read off an answer: no thinking, the marked part, or nothing."""

from __future__ import annotations

import pytest

from ratchet.evaluate.suites.answers import said, spoken


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (" Yes. ", "Yes."), ("<think>no</think> Yes", "Yes"), ("So <answer>4</answer>", "4"), ("\\boxed{4} it is", "4"),
        ("", None), ("<think>no end", None), ("<answer>4</answer> or <answer>5</answer>", None),
    ],
)  # fmt: skip
def test_the_text_of_an_answer(answer: str, text: str | None) -> None:
    assert said(answer) == text


def test_a_judge_is_shown_no_thinking_and_all_of_an_answer_that_marks_several() -> None:
    assert spoken("<think>it may be red</think>Red.") == "Red."
    assert spoken("<answer>4</answer> or <answer>5</answer>") == "<answer>4</answer> or <answer>5</answer>"
    assert spoken("<think>no end") == ""
