"""The tiny world's items: right answers, fixed draws, splits that never meet."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ratchet.errors import PromptSetError, VerifierError
from ratchet.records import prompt_id
from ratchet.tinyworld import SKILLS, SPLITS, Item, digits, draw, is_right, item_at, items, oracle, prompt_of
from ratchet.tinyworld.oracle import answer
from ratchet.tinyworld.scene import Scene, Thing
from ratchet.tinyworld.world import random_seed

any_item = st.builds(
    item_at,
    st.sampled_from(SPLITS),
    st.integers(0, 2**31),
    st.integers(0, 10**6),
    st.sampled_from(SKILLS),
    most=st.integers(1, 6),
)


@given(any_item)
@settings(max_examples=400, deadline=None)
def test_the_answer_follows_from_question_and_scenes_alone(item: Item) -> None:
    assert oracle(item) == item.answer
    assert is_right(item, item.answer)
    assert 0 <= item.difficulty <= 1
    assert len(item.scenes) == (2 if item.skill == "pair" else 1)
    assert all(scene.things for scene in item.scenes)


@given(any_item)
@settings(max_examples=100, deadline=None)
def test_handwriting_shown_belongs_to_the_split_and_is_the_digit_meant(item: Item) -> None:
    first, last = digits.PARTS[item.split]
    assert all(first <= sample < last for sample in item.handwriting)
    shown = [t for scene in item.scenes for t in scene.things if t.sample is not None]
    assert all(digits.digit_of(t.sample) == int(t.shape) for t in shown if t.sample is not None)


def test_splits_share_no_handwriting_and_no_random_seed() -> None:
    parts = [set(range(*digits.PARTS[split])) for split in SPLITS]
    assert sum(map(len, parts)) == len(set().union(*parts))
    ranges = {split: random_seed(split, 3, 5, "add") >> 60 for split in SPLITS}
    assert sorted(ranges.values()) == list(range(len(SPLITS)))


def test_every_split_has_every_digit() -> None:
    for split in SPLITS:
        assert all(len(samples) >= 8 for samples in digits.samples_of(split))


def test_items_are_addressed_by_index() -> None:
    long = list(items("pool", 40, 3))
    assert list(items("pool", 7, 3)) == long[:7]
    assert list(items("pool", 12, 3, start=20)) == long[20:32]
    assert list(items("pool", 40, 4)) != long


def test_skills_share_equally_by_default_and_by_weight_when_given() -> None:
    assert set(Counter(item.skill for item in items("pool", 90, 0)).values()) == {10}
    weighted = Counter(item.skill for item in items("pool", 400, 0, weights={"add": 3, "pair": 1}))
    assert set(weighted) == {"add", "pair"}
    assert abs(weighted["add"] - 300) <= 3


def test_exist_is_balanced_and_half_of_its_negatives_are_adversarial() -> None:
    asked = list(items("validation", 1200, 0, skills=("exist",)))
    no = [item for item in asked if item.answer == "no"]
    assert 0.46 < len(no) / len(asked) < 0.54
    trapped = 0
    for item in no:
        colour, shape = item.question.split()[3:5]
        things = item.scenes[0].things
        trapped += any(t.colour == colour for t in things) and any(t.shape == shape for t in things)
    assert trapped / len(no) >= 0.5


def test_no_answer_dominates_a_closed_skill() -> None:
    for skill, ceiling in {"pair": 0.4, "compare": 0.4, "count": 0.25, "relation": 0.2, "locate": 0.16}.items():
        answers = Counter(item.answer for item in items("holdout", 600, 0, skills=(skill,)))
        assert answers.most_common(1)[0][1] / 600 < ceiling, skill


def test_draws_do_not_change_between_versions_or_platforms() -> None:
    whole = hashlib.sha256()
    for split in SPLITS:
        for item in items(split, 27, 1):
            prompt, images = prompt_of(item)
            whole.update(prompt.model_dump_json().encode())
            for sha, body in images.items():
                whole.update(sha.encode() + body)
    assert whole.hexdigest() == "f6f338d5c089b2eb3dd2ccee96a6aeb9d89217feb06ddbf0b70d4db1b435e8f5"


def test_prompts_name_the_png_bytes_that_come_with_them() -> None:
    for item in islice(items("pool", 18, 0), 18):
        prompt, images = prompt_of(item)
        assert [ref.sha256 for ref in prompt.images] == [hashlib.sha256(body).hexdigest() for body in images.values()]
        assert prompt.id == prompt_id(prompt.messages, prompt.images)
        assert (prompt.reference, prompt.skill, prompt.question) == (item.answer, item.skill, item.question)
        for body, picture in zip(images.values(), item.pictures, strict=True):
            decoded = Image.open(io.BytesIO(body))
            assert decoded.size == (48, 48)
            assert np.array_equal(np.asarray(decoded), np.asarray(picture))


def test_no_two_prompts_are_the_same() -> None:
    prompts = [prompt_of(item)[0] for split in SPLITS for item in items(split, 180, 0)]
    assert len({prompt.id for prompt in prompts}) == len(prompts)
    assert len({prompt.split_key for prompt in prompts}) == len(prompts)


def test_ink_and_noise_never_wrap_around() -> None:
    for colour in ("red", "green", "blue", "yellow"):
        for seed in range(40):
            grey = draw.pixels(Scene((Thing(colour, "square"),) * 9, seed)).astype(int)
            # Inside a square, neighbours differ by noise alone: a wrapped channel would jump by over 200.
            assert abs(np.diff(grey[5:9, 5:9], axis=0)).max() <= draw.NOISE


def test_captions_are_right_in_any_order_and_wrong_with_an_object_more_or_less() -> None:
    item = next(i for i in items("pool", 99, 0, skills=("caption",)) if len(i.scenes[0].things) > 2)
    names = item.answer.split(" , ")
    assert is_right(item, " , ".join(reversed(names)))
    assert is_right(item, ", ".join(names))
    assert not is_right(item, " , ".join(names[1:]))
    assert not is_right(item, " , ".join([*names, names[0]]))
    assert not is_right(item, "")


def test_unknown_names_are_refused_with_the_names_that_exist() -> None:
    with pytest.raises(PromptSetError, match=r"'train' .* labels, pool"):
        item_at("train", 0, 0, "count")
    with pytest.raises(PromptSetError, match=r"'counting' .* count, exist"):
        item_at("pool", 0, 0, "counting")
    with pytest.raises(PromptSetError, match="weight above 0"):
        list(items("pool", 1, 0, weights={"add": 0}))
    with pytest.raises(VerifierError, match="asks no question"):
        answer("who is it ?", ())


def test_importing_the_tiny_world_loads_no_framework() -> None:
    heavy = ("torch", "transformers", "sklearn", "trl")
    code = f"import sys, ratchet.tinyworld; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
