"""The figures, by hand."""

from __future__ import annotations

from typing import Any

from ratchet.evaluate.suites import Mark, Marked
from ratchet.evaluate.suites.procedural.asking import OPPOSITE
from ratchet.evaluate.suites.procedural.figures import consistency, pairs


def row(
    unit: str, said: str | None, reference: str, *, of: int = 2, category: str = "relation", difficulty: float = 0.1,
    means: dict[str, str] | None = None, counts: dict[str, float] | None = None, score: float | None = -1,
) -> Marked:  # fmt: skip
    facts: dict[str, Any] = {"of": of, "difficulty": difficulty, "means": means or {}}
    found = float(said == reference) if score == -1 else score
    return Marked("key", category, unit, unit, reference, facts, Mark(found, said, "", counts or {}))


def test_both_of_a_pair_must_be_right() -> None:
    found = pairs([
        row("a", "yes", "yes"), row("a", "no", "no"),
        row("b", "yes", "yes"), row("b", "yes", "no"),
        row("c", "no", "yes", difficulty=0.5), row("c", None, "no", difficulty=0.5),
        row("d", "yes", "yes", difficulty=0.9), row("d", "no", "no", difficulty=0.9),
    ])  # fmt: skip
    assert (found["accuracy"], found["pair_accuracy"], found["pairs"], found["unparsed"]) == (0.625, 0.5, 4, 0.125)
    bands = {name: part["pair_accuracy"] for name, part in found["bands"].items()}  # type: ignore[union-attr]
    assert bands == {"easy": 0.5, "medium": 0.0, "hard": 1.0}


def test_a_pair_that_is_not_whole_or_not_scored_counts_in_no_pair_accuracy() -> None:
    found = pairs([row("a", "yes", "yes"), row("b", "yes", "yes"), row("b", "no", "no", score=None)])
    assert (found["accuracy"], found["pair_accuracy"], found["pairs"], found["unscored"]) == (1.0, None, 0, 1)


def test_points_are_told_with_their_mean_distance_where_there_are_any() -> None:
    found = pairs([
        row("a", "(1, 2)", "p", category="pointing", counts={"distance": 4.0}), row("a", None, "p", category="pointing"),
        row("b", "yes", "yes"), row("b", "no", "no"),
    ])  # fmt: skip
    categories: Any = found["categories"]
    assert categories["pointing"]["mean_distance"] == 4.0
    assert "mean_distance" not in categories["relation"]


def views(unit: str, *said: str | None) -> list[Marked]:
    """Three views, the last mirrored, where yes is no; the truth of the first is yes."""
    facts = [("yes", {}), ("yes", {}), ("no", dict(OPPOSITE))]
    return [
        row(unit, one, truth, of=3, category="views", means=means)
        for one, (truth, means) in zip(said, facts, strict=True)
    ]


def test_views_are_consistent_when_answers_come_to_the_same_right_or_wrong() -> None:
    rows = [
        *views("right", "yes", "yes", "no"),
        *views("wrong", "no", "no", "yes"),
        *views("always yes", "yes", "yes", "yes"),
        *views("unread", "yes", None, "no"),
    ]
    found = consistency(rows)
    assert (found["consistency"], found["set_accuracy"], found["sets"]) == (0.5, 0.25, 4)
    assert (found["order_invariance"], found["contradiction_rate"]) == (None, None)


def test_order_invariance_is_of_the_picture_that_is_named_not_of_its_number() -> None:
    first = {"1": "picture 0", "2": "picture 1"}
    second = {"1": "picture 1", "2": "picture 0"}
    rows = [
        row("a", "1", "1", category="order", means=first), row("a", "2", "2", category="order", means=second),
        row("b", "2", "1", category="order", means=first), row("b", "1", "2", category="order", means=second),
        row("c", "1", "1", category="order", means=first), row("c", "1", "2", category="order", means=second),
        row("d", "same", "1", category="order", means=first), row("d", "same", "2", category="order", means=second),
    ]  # fmt: skip
    found = consistency(rows)
    assert (found["order_invariance"], found["set_accuracy"]) == (0.75, 0.25)


def test_contradictions_are_pairs_of_answers_that_cannot_both_be_true() -> None:
    def four(unit: str, *said: str | None) -> list[Marked]:
        kinds = [("yes", {}), ("yes", {}), ("no", dict(OPPOSITE)), ("no", dict(OPPOSITE))]
        return [
            row(unit, one, truth, of=4, category="contradiction", means=means)
            for one, (truth, means) in zip(said, kinds, strict=True)
        ]

    # Always yes: of six pairs the four between a form and its opposite. One odd answer of three readable: two of three.
    found = consistency([*four("a", "yes", "yes", "yes", "yes"), *four("b", "yes", "no", "no", None)])
    assert found["contradiction_pairs"] == 9
    assert found["contradiction_rate"] == round(6 / 9, 6)
    assert consistency(four("c", "no", "no", "yes", "yes"))["contradiction_rate"] == 0.0
