import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.recipe.verifiers.base import Where
from ratchet.verify.extract import answers, extract
from ratchet.verify.text import normalise, numbers

PIECES = ["<answer>", "</answer>", "<think>", "</think>", "\\boxed{", "}", "{", "3", "4", " ", "x"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3", ["3"]),
        ("", [""]),
        ("so <answer>3</answer> it is", ["3"]),
        ("<ANSWER>3</Answer>", ["3"]),
        (r"thus \boxed{3}", ["3"]),
        (r"\boxed{\frac{1}{2}}", [r"\frac{1}{2}"]),
        (r"<answer>\boxed{3}</answer>", ["3"]),
        ("<answer>3</answer><answer>4</answer>", ["3", "4"]),
        (r"<answer>3</answer> or \boxed{4}", ["3", "4"]),
        ("<think><answer>3</answer></think>4", ["4"]),
        ("a < b", ["a < b"]),
    ],
)
def test_answers_are_the_marked_parts_or_the_whole(text: str, found: list[str]) -> None:
    assert answers(text) == found


@pytest.mark.parametrize("text", ["<answer>3", r"\boxed{3", "<think>3", "<answer>3</answer><answer>4"])
def test_a_mark_that_is_not_closed_leaves_nothing(text: str) -> None:
    assert answers(text) == []
    assert extract(text, numbers).reason == "unparsed"


def test_two_different_answers_are_ambiguous_and_the_same_twice_is_one() -> None:
    assert extract("<answer>3</answer><answer>4</answer>", numbers).reason == "ambiguous"
    assert extract(r"<answer>3</answer> \boxed{3.0}", numbers).value == 3


BOTH = "3 \\boxed{4} <answer>5</answer> 6 \\boxed{7}"


@pytest.mark.parametrize(
    ("where", "found", "value"),
    [
        ("auto", ["5", "4", "7"], None),
        ("boxed", ["4", "7"], None),
        ("tagged", ["5"], 5),
        ("first", ["4", "5", "7"], 4),
        ("last", ["4", "5", "7"], 7),
        ("whole", [BOTH], None),
    ],
)
def test_a_recipe_says_which_of_several_answers_is_read(where: Where, found: list[str], value: int | None) -> None:
    assert answers(BOTH, where) == found
    one = extract(BOTH, numbers, where)
    assert (one.value, one.reason) == (value, None if value is not None else "ambiguous")
    assert extract(f"<think>9</think>{BOTH}", numbers, where) == one


@pytest.mark.parametrize("where", ["boxed", "tagged"])
def test_where_one_mark_alone_counts_its_absence_is_no_answer(where: Where) -> None:
    assert extract("3", numbers, where).reason == "unparsed"


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=30).map("".join))
def test_extraction_never_crashes(text: str) -> None:
    found = extract(text, lambda part: [normalise(part)])
    assert (found.value is None) == (found.reason is not None)


@pytest.mark.parametrize("text", ["<answer>" * 125_000, "\\boxed{" * 140_000, "<think>" * 140_000, "{" * 1_000_000])
def test_a_megabyte_of_marks_takes_linear_time(text: str) -> None:
    assert len(extract(text, numbers).readings) == 0
