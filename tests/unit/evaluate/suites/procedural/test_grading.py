"""How hard an item is said to be: never less where what makes it hard grows."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from ratchet.evaluate.suites import Drawing
from ratchet.evaluate.suites.procedural.drawing import sets
from ratchet.evaluate.suites.procedural.grading import BANDS, MOST_ALIKE, Knobs, band, difficulty
from ratchet.evaluate.suites.procedural.scene import WORLDS, World
from ratchet.evaluate.suites.procedural.suites import PARTS

EASIEST = {"things": 3, "alike": 0, "size": 100, "gap": 900, "lead": 4, "pictures": 2}
HARDEST = {"things": 40, "alike": MOST_ALIKE, "size": 4, "gap": 1, "lead": 1, "pictures": 4}


def between(knob: str) -> list[int]:
    """From the easiest to the hardest value, in steps of one."""
    easy, hard = EASIEST[knob], HARDEST[knob]
    return list(range(easy, hard + (1 if hard > easy else -1), 1 if hard > easy else -1))


@pytest.mark.parametrize("world", WORLDS.values(), ids=str)
@pytest.mark.parametrize("knob", Knobs._fields)
@pytest.mark.parametrize(
    "others", [EASIEST, HARDEST, {"things": 6, "alike": 2, "size": 11, "gap": 18, "lead": 2, "pictures": 3}]
)
def test_difficulty_rises_with_everything_that_makes_an_item_hard(
    world: World, knob: str, others: dict[str, int]
) -> None:
    grades = [difficulty(Knobs(**{**others, knob: value}), world) for value in between(knob)]
    assert all(one <= two for one, two in pairwise(grades))
    assert grades[0] < grades[-1]


@pytest.mark.parametrize("world", WORLDS.values(), ids=str)
def test_it_is_0_for_the_easiest_and_1_for_the_hardest(world: World) -> None:
    assert (difficulty(Knobs(**EASIEST), world), difficulty(Knobs(**HARDEST), world)) == (0.0, 1.0)


def test_what_plays_no_part_does_not_count() -> None:
    world = WORLDS[48]
    assert difficulty(Knobs(8, 0), world) == 0.5
    assert difficulty(Knobs(8, 0, size=13), world) == pytest.approx(1 / 3, abs=1e-4)


def test_two_pictures_are_as_hard_as_both() -> None:
    assert Knobs(3, 5, size=9, gap=4).harder(Knobs(7, 1, size=6, pictures=2)) == Knobs(7, 5, 6, 4, None, 2)


@pytest.mark.parametrize(("name", "size"), [(name, size) for name in PARTS for size in (48, 448)])
def test_a_harder_level_of_the_generator_draws_harder_items_in_every_part(name: str, size: int) -> None:
    """Of items drawn over all levels every part has easy and hard ones, on the finished pictures."""
    known = {part.name: part for part in PARTS[name]}
    grades: dict[str, list[float]] = {}
    for part, _, made in islice(sets(name, known, Drawing(1, "salt", size)), 200):
        grades.setdefault(part, []).append(difficulty(made.knobs, WORLDS[size]))
    for part, found in grades.items():
        assert min(found) < 0.4, part
        assert max(found) > 0.7, part


@pytest.mark.parametrize(
    ("grade", "name"), [(0.0, "easy"), (0.33, "easy"), (0.34, "medium"), (0.67, "hard"), (1.0, "hard")]
)
def test_bands_are_thirds(grade: float, name: str) -> None:
    assert band(grade) == name
    assert name in BANDS
