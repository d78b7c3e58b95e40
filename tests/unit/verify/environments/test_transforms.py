"""Transforms: exact, undone exactly, and right by what the pixels say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.artifacts import ImageBank
from ratchet.recipe.verifiers.environments import TransformsConfig
from ratchet.verify.environments import EnvironmentRule, TransformState, environment_rules
from ratchet.verify.environments.transforms import ANSWERS, SINGLE, applied, fitting, readings, same, undone
from ratchet.verify.environments.verifiers import transforms
from tests.unit.verify.environments.asked import Pixels, asked, noise, verdict


@pytest.fixture(scope="module")
def rule(bank: ImageBank) -> EnvironmentRule:
    return transforms(TransformsConfig(), bank)


pictures = st.builds(
    lambda seed, height, width: np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8),
    st.integers(0, 99),
    st.integers(3, 20),
    st.integers(3, 20),
)


@settings(max_examples=80, deadline=None)
@given(pictures, st.sampled_from(SINGLE), st.data())
def test_what_was_done_is_undone_to_the_last_pixel(picture: Pixels, kind: str, data: st.DataObject) -> None:
    answer = data.draw(st.sampled_from(ANSWERS[kind]))
    source = fitting(kind, picture)
    assert same(undone(kind, answer, applied(kind, answer, source)), source)


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_answer_of_a_kind_does_something_else(kind: str) -> None:
    source = fitting(kind, noise(12))
    made = [applied(kind, answer, source).tobytes() for answer in ANSWERS[kind]]
    assert len(set(made)) == len(made)
    assert all(list(readings(kind, answer)) == [answer] for answer in ANSWERS[kind])


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("alone", [False, True])
def test_of_all_answers_about_a_picture_one_is_right(
    rule: EnvironmentRule, bank: ImageBank, kind: str, alone: bool
) -> None:
    if alone and kind not in SINGLE:
        return
    source, done = fitting(kind, noise(12, 3)), ANSWERS[kind][-1]
    made = applied(kind, done, source)
    state = TransformState.model_validate({"kind": kind, "done": done if alone else None})
    one = asked(state, [made] if alone else [source, made], done, bank)
    assert [a for a in ANSWERS[kind] if verdict(rule, one, a).passed] == [done]
    assert rule.self_check(one) is None


def test_a_symmetric_picture_has_several_right_answers(rule: EnvironmentRule, bank: ImageBank) -> None:
    half = noise(8)
    mirrored = np.hstack([half, half[:, ::-1]])
    one = asked(TransformState(kind="flip"), [mirrored, mirrored[:, ::-1]], "none", bank)
    assert [a for a in ANSWERS["flip"] if verdict(rule, one, a).passed] == ["left right", "none"]
    assert rule.self_check(one) is None
    turned = np.rot90(mirrored)
    two = asked(TransformState(kind="rotate", done="90"), [np.vstack([turned, turned[::-1]])], bank=bank)
    assert verdict(rule, two, "90").passed
    blank = np.full((8, 8, 3), 9, np.uint8)
    three = asked(TransformState(kind="rotate"), [blank, blank], "90", bank)
    assert all(verdict(rule, three, a).passed for a in ANSWERS["rotate"])
    assert "name a stricter one" in (rule.self_check(three) or "")


@pytest.mark.parametrize(
    ("kind", "said", "read"),
    [
        ("rotate", "90 degrees", "90"),
        ("rotate", "270° clockwise.", "270"),
        ("rotate", "450", None),
        ("rotate", "a quarter", None),
        ("rotate", "nan", None),
        ("flip", "horizontally", "left right"),
        ("flip", "left-right", "left right"),
        ("flip", "both", None),
        ("channels", "blue and red", "red blue"),
        ("channels", "Red, Green", "red green"),
        ("channels", "red red", None),
        ("crop", "upper left", "top left"),
        ("crop", "centre", None),
        ("tiles", "2143", "2 1 4 3"),
        ("tiles", "[2, 1, 4, 3]", None),
        ("tiles", "2, 1, 4, 3", "2 1 4 3"),
        ("tiles", "1 1 2 3", None),
    ],
)
def test_answers_are_read_strictly(kind: str, said: str, read: str | None) -> None:
    assert list(readings(kind, said)) == ([read] if read else [])


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(ANSWERS)), st.text())
def test_whatever_is_said_is_one_of_the_answers_or_none(kind: str, said: str) -> None:
    assert set(readings(kind, said)) <= set(ANSWERS[kind])


@pytest.mark.parametrize(
    ("state", "shown", "words"),
    [
        (TransformState(kind="rotate"), 1, "give two pictures"),
        (TransformState(kind="rotate", done="90"), 2, "give two pictures"),
        (TransformState(kind="rotate", done="91"), 1, "done '91'"),
        (TransformState(kind="crop", done="top left"), 1, "crop with 1 pictures"),
    ],
)
def test_pictures_that_do_not_say_what_was_done_are_told_before_anything_is_verified(
    state: TransformState, shown: int, words: str
) -> None:
    blind = environment_rules(None)["transforms"]
    assert words in (blind.self_check(asked(state, [noise(8, n) for n in range(shown)])) or "")


def test_two_answers_and_none_are_told_apart_and_a_megabyte_is_neither(rule: EnvironmentRule, bank: ImageBank) -> None:
    one = asked(TransformState(kind="rotate"), [noise(8), applied("rotate", "90", noise(8))], bank=bank)
    assert verdict(rule, one, "<answer>90</answer><answer>180</answer>").reason == "ambiguous"
    assert verdict(rule, one, "90 or 180").reason == "unparsed"
    assert verdict(rule, one, "9" * 1_000_000).reason == "unparsed"
    assert verdict(rule, one, "90 " * 300_000).reason == "unparsed"
