"""What the drawer is taught: drawings in words that the seed's closed vocabulary has, read back by the interpreter."""

from __future__ import annotations

import subprocess
import sys

from ratchet.tinyworld import sketch
from ratchet.tinyworld.drawer import MAX_NEW_TOKENS, drawings
from ratchet.tinyworld.seed_model import words


def test_instruction_and_drawings_are_made_of_the_seeds_words_and_fit_what_is_generated() -> None:
    known = set(words())
    for item in drawings("labels", 200, 0):
        assert {*item.question.split(), *item.answer.split()} <= known
        assert len(item.answer.split()) + 1 <= MAX_NEW_TOKENS


def test_every_drawing_taught_is_read_as_the_scene_that_is_shown() -> None:
    for item in drawings("validation", 200, 7):
        (found,) = sketch.read(item.answer)
        assert [cell for cell, thing in enumerate(item.scenes[0].cells) if thing] == [cell for _, cell in found]


def test_splits_and_seeds_never_show_the_same_picture() -> None:
    shown = [
        item.scenes[0] for split in ("labels", "validation") for seed in (0, 7) for item in drawings(split, 100, seed)
    ]
    assert len(set(shown)) == len(shown)
    assert list(drawings("labels", 5, 0)) == list(drawings("labels", 9, 0))[:5]


def test_the_command_says_what_it_does() -> None:
    help_ = subprocess.run(
        [sys.executable, "-m", "ratchet.tinyworld.drawer", "--help"], capture_output=True, text=True, check=True
    )
    assert "draw pictures again in words" in " ".join(help_.stdout.split())
