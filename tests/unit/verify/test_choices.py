"""How a free answer chooses an option: by letter or by text, never by guessing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.verify.rules import chosen

LISTED = {"A": "red", "B": "blue", "C": "dark blue", "D": "none of these"}


@pytest.mark.parametrize(
    "answer",
    [
        "B", "(B)", "b.", "**B**", "B. blue", "B) because it is", "B\n\nThe sky is blue, not red.", "blue", "Blue.",
        "The answer is B", "The correct answer is (B).", "Answer: B", "I think the answer is B because it is dark blue",
        "Option A is wrong. The answer is B.", "The answer is A. No, wait: the answer is B.", "Let us see: red is wrong.\nB",
        "\\boxed{B}", "\\boxed{\\text{B}}", "$B$", "<answer>B</answer>", "<think>A is tempting.</think> B",
        "I choose B", "So it is the second one (B)", "The sky is blue", "Point B, where the child is",
        "The sky is blue, not red.", "It isn't red but blue", "It is neither red nor dark blue: blue", "It isn't A. B it is",
    ],
)  # fmt: skip
def test_a_letter_or_a_text_is_read(answer: str) -> None:
    assert chosen(LISTED, answer).value == "B"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "unparsed"), ("purple", "unparsed"), ("E", "unparsed"), ("A man is here", "unparsed"), ("The answer is a cat", "unparsed"),
        ("It is not B", "unparsed"), ("Because", "unparsed"), ("<think>B", "unparsed"), ("Failed to answer", "unparsed"),
        ("B. red", "ambiguous"), ("The answer is A or B", "ambiguous"), ("(A) and (B)", "ambiguous"), ("red or blue", "ambiguous"),
        ("\\boxed{A} and \\boxed{B}", "ambiguous"),
        ("A or B", "ambiguous"), ("A and B", "ambiguous"), ("Both A and B are right", "ambiguous"), ("It could be A or B.", "ambiguous"),
        ("Either A or B", "ambiguous"), ("I cannot tell whether A or B", "ambiguous"), ("A, or B", "ambiguous"),
        ("not blue", "unparsed"), ("It is not blue.", "unparsed"), ("It isn't B", "unparsed"), ("It can't be the blue", "unparsed"),
        ("It isn\u2019t (B)", "unparsed"), ("neither red nor blue", "unparsed"),
    ],
)  # fmt: skip
def test_no_option_and_two_options_are_none(answer: str, reason: str) -> None:
    assert chosen(LISTED, answer)[:2] == (None, reason)


def test_the_longer_option_counts_where_another_is_part_of_it() -> None:
    assert chosen(LISTED, "It looks dark blue to me").value == "C"


@pytest.mark.parametrize(
    ("answer", "letter"), [("It is not visible", "B"), ("It is visible", "A"), ("not a cat", "D"), ("a cat", "C")]
)
def test_an_option_that_denies_is_still_itself(answer: str, letter: str) -> None:
    assert chosen({"A": "visible", "B": "not visible", "C": "a cat", "D": "not a cat"}, answer).value == letter


@settings(deadline=None, max_examples=200)
@given(answer=st.text(max_size=80))
def test_nothing_but_a_listed_letter_is_ever_read(answer: str) -> None:
    found = chosen(LISTED, answer)
    assert found.value is None or found.value in LISTED
    assert (found.value is None) == (found.reason is not None)


@pytest.mark.parametrize("piece", ["answer is ", " ", "(", "A, ", "not ", "\n", "*", "the option is A or ", "not a "])
def test_long_answers_are_read_in_linear_time(piece: str) -> None:
    started = time.process_time()
    chosen(LISTED, piece * 20_000)
    assert time.process_time() - started < 2
