"""What an answer says."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.evaluate.suites import Asked
from ratchet.evaluate.suites.procedural.asking import PLACES
from ratchet.evaluate.suites.procedural.reading import mark

COUNTS = tuple("012345")


def item(reads: str, reference: str, choices: tuple[str, ...] = (), **facts: Any) -> Asked:
    return Asked("key", "part", reference, {"reads": reads, "choices": list(choices), **facts})


@pytest.mark.parametrize(
    ("asked", "answer", "said", "score"),
    [
        (item("yes_no", "yes"), "Yes, it is.", "yes", 1.0),
        (item("yes_no", "yes"), "no", "no", 0.0),
        (item("yes_no", "yes"), "yes and no", None, 0.0),
        (item("yes_no", "no"), "", None, 0.0),
        (item("number", "3", COUNTS), "There are three.", "3", 1.0),
        (item("number", "3", COUNTS), "3 or 4", None, 0.0),
        (item("number", "3", COUNTS), "<think>maybe 5</think> 3", "3", 1.0),
        (item("choice", "green star", ("green star", "blue cross")), "The green star is nearer.", "green star", 1.0),
        (item("choice", "green star", ("green star", "blue cross")), "The blue cross", "blue cross", 0.0),
        (item("choice", "green star", ("green star", "blue cross")), "green star, blue cross", None, 0.0),
        (item("choice", "green star", ("green star", "blue cross")), "evergreen starfish", None, 0.0),
        (item("choice", "top left", PLACES), "It is in the upper-left part.", "top left", 1.0),
        (item("choice", "middle center", PLACES), "Centre.", "middle center", 1.0),
        (item("choice", "2", tuple("1234")), "The second picture.", "2", 1.0),
        (item("choice", "2", tuple("1234")), "Picture 2", "2", 1.0),
        (item("choice", "2", tuple("1234")), "\\boxed{3}", "3", 0.0),
        (item("choice", "first", ("first", "second", "same")), "first", "first", 1.0),
        (item("choice", "first", ("first", "second", "same")), "first second", None, 0.0),
    ],
)  # fmt: skip
def test_the_one_reading_of_an_answer_is_compared(asked: Asked, answer: str, said: str | None, score: float) -> None:
    found = mark(asked, answer)
    assert (found.said, found.score) == (said, score)
    assert bool(found.reason) == (said is None)


SCENE = {"side": 200, "things": [["red", "circle", 20, 60, 40], ["blue", "circle", 120, 60, 40]]}


@pytest.mark.parametrize(
    ("answer", "score", "distance"),
    [
        ("(20, 40)", 1.0, 0.0),
        ("x is 20%, y is 40%: (20%, 40%)", 1.0, 0.0),
        ("(29, 40)", 1.0, 9.0),
        ("(11.0, 31.0)", 0.0, 12.728),  # in the box around the circle, not in the circle
        ("(70, 40)", 0.0, 50.0),
        ('{"point": [20, 43]}', 1.0, 3.0),
        ("20 44", 1.0, 4.0),
        ('{"x": 20, "y": 43.0}', 1.0, 3.0),
        ("It is at x = 20%, y = 43%.", 1.0, 3.0),
        ("(x: 20, y: 43)", 1.0, 3.0),
    ],
)  # fmt: skip
def test_a_point_must_lie_in_the_shape(answer: str, score: float, distance: float) -> None:
    found = mark(item("point", "(20.0, 40.0)", ("red circle",), scenes=[SCENE]), answer)
    assert (found.score, found.counts["distance"]) == (score, distance)


@pytest.mark.parametrize(
    "answer", ["the red circle", "", "(20, 40) or (70, 40)", "x=20, y=40; x=70, y=40", "(1e999, 3)", "(nan, 2)"]
)
def test_what_is_no_one_point_is_wrong_and_has_no_distance(answer: str) -> None:
    found = mark(item("point", "(20.0, 40.0)", ("red circle",), scenes=[SCENE]), answer)
    assert (found.score, found.said, dict(found.counts)) == (0.0, None, {})
