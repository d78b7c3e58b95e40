"""What is drawn: questions with exactly one answer, that no constant answer gets, in pictures that show what the facts say."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from ratchet.errors import RecipeError
from ratchet.evaluate.suites import Drawing, Question, suite
from ratchet.evaluate.suites.procedural.asking import Together
from ratchet.evaluate.suites.procedural.drawing import SPLITS, random_seed, sets
from ratchet.evaluate.suites.procedural.scene import INKS, Scene, pixels, world_of
from ratchet.evaluate.suites.procedural.suites import PARTS
from ratchet.tinyworld import draw, seed_model
from tests.unit.evaluate.suites.procedural.solver import solve, things, well_drawn

NAMES = tuple(PARTS)
LARGE, TINY = 448, 48
EVERY = [(name, size) for name in NAMES for size in suite(name).sizes]


def asked(name: str, size: int, n: int, salt: str = "salt", parts: tuple[str, ...] = ()) -> list[tuple[str, Together]]:
    """(part, set) of the first sets, without their pictures."""
    known = {part.name: part for part in PARTS[name]}
    return [(part, made) for part, _, made in islice(sets(name, known, Drawing(n, salt, size, parts)), n)]


def drawn(name: str, n: int, size: int = TINY, **changed: object) -> list[Question]:
    found = suite(name).draw
    assert found is not None
    return list(found(Drawing(n, **{"salt": "salt", "size": size, **changed})))  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_a_solver_that_knows_only_words_and_facts_agrees_on_every_item(name: str, size: int) -> None:
    for _, made in asked(name, size, 300):
        assert all(well_drawn(scene.facts) for scene in {scene for one in made.asked for scene in one.scenes})
        for one in made.asked:
            assert solve(one.text, [scene.facts for scene in one.scenes]) == one.reference, one
            assert one.reads == "point" or one.reference in one.choices


@pytest.mark.parametrize(("name", "size"), [(name, size) for name in NAMES for size in (TINY, LARGE)])
def test_no_answer_is_right_more_often_than_chance(name: str, size: int) -> None:
    """A constant answer gets what one of the part's answers would by chance, within four standard errors."""
    chance = {"yes_no": 1 / 2, "number": 1 / 6}
    answers, fair = defaultdict(Counter), {}
    for part, made in asked(name, size, 600):
        for one in made.asked:
            key = f"{part} {one.reads} {len(one.scenes)}"
            answers[key][one.reference] += 1
            choices = {"choice": 1 / min(len(one.choices), 9), **chance}.get(one.reads, 1 / 9)
            if one.choices[:1] == ("first",):
                choices = 1 / 2
            if part == "views" and one.reads == "choice":
                choices = 1 / 6  # never the middle column, which a mirror leaves alone
            if part == "nearest":
                choices = 1 / 9  # 48 names; that one of the two named is right is tested below
            fair[key] = choices
    for key, counts in answers.items():
        total = counts.total()
        worst = max(counts.values()) / total
        # Items of a set are alike: an eighth of them are independent, at least.
        assert worst <= fair[key] + 4 * (fair[key] * (1 - fair[key]) / (total / 4)) ** 0.5, (key, counts.most_common(3))


def test_of_two_that_are_named_the_first_is_right_half_of_the_time() -> None:
    pairs = [made.asked for _, made in asked("spatial", LARGE, 60, parts=("nearest",))]
    for one, other in pairs:
        assert one.text == other.text
        assert {one.reference, other.reference} == set(one.choices)


@pytest.mark.parametrize("size", [TINY, LARGE])
def test_no_constant_answer_gets_a_pair_right(size: int) -> None:
    for _, made in asked("spatial", size, 200):
        one, other = made.asked
        assert one.text == other.text
        assert one.reference != other.reference


@pytest.mark.parametrize("size", [TINY, LARGE])
def test_the_pictures_of_a_pair_differ_in_one_thing(size: int) -> None:
    for _, made in asked("spatial", size, 200):
        (one,), (other,) = (asking.scenes for asking in made.asked)
        assert len(set(one.things) - set(other.things)) == len(set(other.things) - set(one.things)) == 1
        assert (one.side, one.ground, one.noise) == (other.side, other.ground, other.noise)


@pytest.mark.parametrize("name", NAMES)
def test_the_tiny_world_asks_and_answers_in_the_seeds_words(name: str) -> None:
    known = set(seed_model.words())
    for size in (48, 64):
        for _, made in asked(name, size, 200):
            for one in made.asked:
                assert {*one.text.split(), *" ".join(one.choices).split()} <= known


@pytest.mark.parametrize("name", NAMES)
def test_a_draw_is_fixed_by_its_salt_split_and_size(name: str) -> None:
    assert drawn(name, 40) == drawn(name, 40)
    seen = {body for question in drawn(name, 40) for body in question.pictures}
    for other in ({"salt": "other"}, {"split": "report"}, {"size": 64}):
        assert not seen & {body for question in drawn(name, 40, **other) for body in question.pictures}


def test_splits_have_seeds_of_their_own() -> None:
    ranges = [random_seed("spatial", Drawing(1, "s", split=split), world_of(48), "place", 3) >> 60 for split in SPLITS]  # type: ignore[arg-type]
    assert ranges == [0, 1, 2, 3]


@pytest.mark.parametrize("name", NAMES)
def test_a_smaller_draw_is_the_start_of_a_larger_one_and_cuts_no_set(name: str) -> None:
    whole = drawn(name, 60)
    for n in (0, 1, 7, 33):
        part = drawn(name, n)
        assert len(part) <= n
        assert part == whole[: len(part)]
        assert all(count == question.facts["of"] for question in part for count in [units(part)[question.unit]])
    assert len({question.key for question in whole}) == len(whole)


def units(questions: list[Question]) -> Counter[str | None]:
    return Counter(question.unit for question in questions)


def test_parts_get_equal_shares_of_items() -> None:
    counts = Counter(question.category for question in drawn("multi-view", 200))
    assert max(counts.values()) - min(counts.values()) <= 5


def test_a_part_that_needs_more_words_than_the_tiny_world_has_is_refused_there() -> None:
    assert {question.category for question in drawn("spatial", 8, size=224, parts=("pointing",))} == {"pointing"}
    with pytest.raises(RecipeError, match="no part 'pointing' at size 48; there are: relation, beside, place"):
        drawn("spatial", 8, parts=("pointing",))
    with pytest.raises(RecipeError, match="size 100: procedural pictures are 48, 64, 224, 448, 896 pixels wide"):
        drawn("spatial", 8, size=100)


@pytest.mark.parametrize("size", [TINY, 224])
def test_pictures_show_the_things_that_the_facts_name(size: int) -> None:
    for question in [*drawn("spatial", 24, size=size), *drawn("multi-view", 24, size=size)]:
        for body, scene in zip(question.pictures, question.facts["scenes"], strict=True):
            shown = np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).astype(int)
            assert shown.shape == (scene["side"], scene["side"], 3)
            inks = draw.INK if size == TINY else INKS
            for thing in things(scene):
                found = shown[int(thing.y), int(thing.x)]
                nearest = min(inks, key=lambda ink: float(np.abs(found - np.array(inks[ink])).sum()))
                assert nearest == thing.name.split()[0], (question.key, thing)


def test_views_show_the_same_scene() -> None:
    for _, made in asked("multi-view", 224, 20, parts=("views",)):
        check_views(made)


def check_views(made: Together) -> None:
    plain, ground, mirror, lossy, scaled = (one.scenes[0] for one in made.asked)
    assert np.array_equal(pixels(mirror), pixels(plain)[:, ::-1])
    assert ground.things == plain.things == lossy.things
    assert ground.ground != plain.ground
    assert scaled.side == 336
    assert [one.form for one in made.asked if one.lossy] == ["lossy"]


def test_every_order_shows_the_same_pictures() -> None:
    for _, made in asked("multi-view", 224, 20, parts=("order",)):
        shown: set[frozenset[Scene]] = {frozenset(one.scenes) for one in made.asked}
        assert len(shown) == 1
        assert len({one.scenes for one in made.asked}) == len(made.asked) == len(made.asked[0].scenes)
        assert {one.means[one.reference] for one in made.asked} == {"picture 0"}
