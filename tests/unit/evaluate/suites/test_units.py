"""Units are right when all their items are: figures by hand."""

from __future__ import annotations

from ratchet.evaluate.suites.base import Mark, Marked
from ratchet.evaluate.suites.units import by_facts, category, fact, mean, together


def row(unit: str | None, score: float | None, **facts: object) -> Marked:
    return Marked(f"{unit}-{score}-{facts}", "c", unit, "x", "A", facts, Mark(score, "A"))


def test_a_unit_is_right_when_all_its_items_are() -> None:
    rows = [row("a", 1.0), row("a", 1.0), row("b", 1.0), row("b", 0.0), row(None, 1.0)]
    assert together(rows) == {"accuracy": 0.666667, "units": 3, "unscored": 0, "incomplete": 0}


def test_units_that_lack_an_item_or_a_score_are_in_no_share() -> None:
    rows = [row("a", 1.0, of=2), row("a", 1.0, of=2), row("b", 0.0, of=2), row("c", 0.0), row("c", None)]
    assert together(rows) == {"accuracy": 1.0, "units": 3, "unscored": 1, "incomplete": 1}


def test_no_units_have_no_share() -> None:
    assert together([])["accuracy"] is None


def test_rows_count_in_each_value_of_a_facet() -> None:
    rows = [row("a", 1.0, skills=["x", "y"]), row("b", 0.0, skills=["y"]), row("c", 0.0)]
    found = by_facts(rows, {"skills": fact("skills"), "categories": category})
    skills = found["skills"]
    assert isinstance(skills, dict)
    assert {name: one["accuracy"] for name, one in skills.items()} == {"x": 1.0, "y": 0.5}
    assert mean(skills.values()) == 0.75
    assert found["accuracy"] == 0.333333


def test_a_mean_with_an_undefined_part_is_undefined() -> None:
    assert mean([{"accuracy": 1.0}, {"accuracy": None}]) is None
