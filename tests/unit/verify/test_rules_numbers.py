from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.verify.rules.measures import UNITS, measures, unit_of
from ratchet.verify.rules.numbers import NO_UNIT, OTHER_UNIT
from tests.unit.verify.rules_table import found


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("1.5 m", "150 cm"), ("1.5 m", "150cm"), ("1.5 m", "1500 millimetres"), ("150 cm", "1.5"+" meters"), ("1.5 m", "1.5"),
        ("2 km/h", "2 kilometers per hour"), ("36 km/h", "10 m/s"), ("60 mph", "60 miles/hour"), ("3 ft", "1 yard"), ("1 L", "1000 cm3"),
        ("1 m²", "10000 cm^2"), ("2 square meters", "2 m2"), ("0 °C", "32 °F"), ("100 degrees Celsius", "212 degrees Fahrenheit"),
        ("45%", "45 percent"), ("45%", "45"), ("$3", "3 dollars"), ("$3", "300 cents"), ("three meters", "3 m"), ("90°", "90 degrees"),
        ("5 kg", "It weighs 5000 g."), ("2 hours", "120 min"), ("1,500 m", "1.5 km"), ("1.5 m", "1.5 m (150 cm)"), ("−2 °C", "-2°C"),
        ("9.8 m/s²", "9.8 m/s^2"), ("3 apples", "3"), ("3", "3 apples"),
    ],
)  # fmt: skip
def test_the_same_measure_in_another_unit_passes(reference: str, text: str) -> None:
    assert found("numeric", reference, text).passed is True


@pytest.mark.parametrize(
    ("reference", "text", "reason"),
    [
        ("1.5 m", "1.5 cm", "wrong"), ("1.5 m", "1.5 kg", OTHER_UNIT), ("45%", "0.45", "wrong"), ("$3", "€3", OTHER_UNIT),
        ("1 m²", "1 m", OTHER_UNIT), ("1.5 m", "1 m or 2 m", "ambiguous"), ("1.5 m", "long", "unparsed"), ("5 m", "5x m", "unparsed"),
        ("5 m", "3-4 m", "unparsed"), ("36 km/h", "36 km", OTHER_UNIT), ("0 °C", "0 °F", "wrong"),
    ],
)  # fmt: skip
def test_another_measure_fails_and_says_why(reference: str, text: str, reason: str) -> None:
    assert found("numeric", reference, text)[:3] == (0.0, False, reason)


def test_a_recipe_says_what_a_missing_unit_means() -> None:
    assert found("numeric", "1.5 m", "1.5", units="required")[:3] == (0.0, False, NO_UNIT)
    assert found("numeric", "1.5 m", "150 cm", units="required").passed is True
    assert found("numeric", "1.5 m", "1.5 cm", units="ignore").passed is True


def test_tolerances_are_relative_or_absolute_in_the_references_unit() -> None:
    assert found("numeric", "100", "104", tolerance=0.05).passed is True
    assert found("numeric", "100", "106", tolerance=0.05).passed is False
    assert found("numeric", "0", "0.05", absolute=0.1).passed is True
    assert found("numeric", "2 m", "209 cm", absolute=0.1).passed is True
    assert found("numeric", "2 m", "211 cm", absolute=0.1).passed is False
    assert found("numeric", "20 °C", "69 °F", absolute=1).passed is True


def test_a_count_says_how_near_it_is() -> None:
    assert [found("count", "4", text).score for text in ("4", "3", "5", "8", "0")] == [1.0, 0.75, 0.8, 0.5, 0.0]


@given(st.sampled_from(sorted(UNITS)), st.integers(-(10**6), 10**6))
def test_a_unit_and_its_base_are_there_and_back(name: str, number: int) -> None:
    unit = UNITS[name]
    assert unit.of(unit.base(Fraction(number))) == number


@pytest.mark.parametrize("name", sorted(UNITS))
def test_every_unit_of_the_table_is_read_after_a_number(name: str) -> None:
    (one,) = measures(f"{name}5") if name in "$€£¥" else measures(f"5 {name}")
    assert (one.dimension, one.number) == (UNITS[name].dimension, 5)


def test_units_are_made_of_units_and_nothing_else() -> None:
    assert unit_of("m/s") is not None
    assert [unit_of(name) for name in ("m/s/s", "m/", "/s", "apples", "m^4", "x2", "m" * 50)] == [None] * 7
