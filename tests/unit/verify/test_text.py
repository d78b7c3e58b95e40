from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.verify.text import items, normalise, numbers, yes_no


@settings(deadline=None)
@given(st.text())
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Top   LEFT. ", "top left"),
        ("**Yes**", "yes"),
        ("\u201cx\u201d", "\u201cx\u201d"),
        ("ＴＯＰ left", "top left"),
        ("to\u200bp", "top"),
        ("Straße!", "strasse"),
        ("? .", ""),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert normalise(text) == normal


def test_letters_that_only_look_alike_stay_different() -> None:
    assert normalise("сircle") != normalise("circle")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("3.0", 3), ("three", 3), ("Three.", 3), ("3.", 3), ("+3", 3), ("３", 3), ("**3**", 3), ("$3", 3), ("x = 3", 3),
        ("-3", -3), ("−3", -3), (".5", Decimal("0.5")), ("1,000", 1000), ("1.5e3", 1500), ("there are 3 circles", 3),
        ("one of the 3", 3), ("zero", 0), ("twenty", 20),
    ],
)  # fmt: skip
def test_number_is_read(text: str, value: int | Decimal) -> None:
    assert numbers(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "1e999",
        "9" * 31,
        "3²",
        "1½",
        "3-4",
        "2+2",
        "x3",
        "__import__('os')",
        "1.2.3",
        "1,00",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    assert numbers(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yes", [True]), ("No.", [False]), ("Yes, there is no doubt", [True]), ("the answer is no", [False]),
        ("yes no", [True, False]), ("yes or no", [True, False]), ("No. Yes.", [False, True]), ("maybe", []), ("уes", []), ("nothing", []),
    ],
)  # fmt: skip
def test_yes_and_no_are_read_in_their_order(text: str, said: list[bool]) -> None:
    assert yes_no(text) == said


def test_items_of_a_list_are_normalised_and_empty_ones_dropped() -> None:
    assert items(" Red circle , blue  square ,, .") == ["red circle", "blue square"]


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200))
def test_readers_never_crash(text: str) -> None:
    numbers(text), yes_no(text), items(text)


def test_a_long_run_of_combining_marks_takes_linear_time() -> None:
    assert len(normalise("a" + "\u0315\u0300" * 200_000)) < 100
