"""What a maker of items hands back, and the words in which things are asked: the tiny world's, or a person's."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ratchet.evaluate.suites.procedural.grading import Knobs
from ratchet.evaluate.suites.procedural.scene import Kind, Scene, World
from ratchet.tinyworld.scene import COLUMNS, ROWS

Reads = Literal["yes_no", "choice", "number", "point"]
YES_NO = ("yes", "no")
OPPOSITE: Mapping[str, str] = {"yes": "no", "no": "yes"}
WAYS: Mapping[str, tuple[int, int]] = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1)}
"""Axis (0: across, 1: down) and sign of the difference between the two centres."""
CONVERSE: Mapping[str, str] = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
PLACES = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)


@dataclass(frozen=True, slots=True)
class Asking:
    """One question about scenes, in the order shown, and its answer.

    `means` says what an answer comes to in terms that a set's questions share (identity where it says nothing): two answers
    contradict each other when they come to different things. `form` tells the set's questions apart. `lossy` pictures are
    encoded as JPEG.
    """

    text: str
    scenes: tuple[Scene, ...]
    reference: str
    reads: Reads
    choices: tuple[str, ...] = ()
    means: Mapping[str, str] = field(default_factory=dict)
    form: str = ""
    lossy: bool = False


@dataclass(frozen=True, slots=True)
class Together:
    """Questions that are scored together, and what makes them hard."""

    asked: tuple[Asking, ...]
    knobs: Knobs


Maker = Callable[[random.Random, World, float], Together]


def yes_no(truth: bool) -> str:
    return "yes" if truth else "no"


def name(kind: Kind) -> str:
    """A kind in words."""
    return " ".join(kind)


def an(words: str) -> str:
    """With the article."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(kind: Kind) -> str:
    return f"{name(kind)}{'es' if kind[1].endswith('s') else 's'}"


def _way(way: str) -> str:
    return f"to the {way}" if way in ("left of", "right of") else way


def _yes(text: str) -> str:
    return f"{text} Answer yes or no."


def relation(world: World, subject: Kind, way: str, landmark: Kind) -> str:
    if world.tiny:
        return f"is the {name(subject)} {way} the {name(landmark)} ?"
    return _yes(f"Is the {name(subject)} {_way(way)} the {name(landmark)}?")


def denied(subject: Kind, way: str, landmark: Kind) -> str:
    """The relation's denial, as a statement that is true or not: a bare negative question can be answered either way."""
    return _yes(f'Is this statement true? "The {name(subject)} is not {_way(way)} the {name(landmark)}."')


def between(subject: Kind, one: Kind, other: Kind) -> str:
    return _yes(f"Is the {name(subject)} between the {name(one)} and the {name(other)}?")


def nearest(landmark: Kind, one: Kind, other: Kind) -> str:
    return f"Which is nearer to the {name(landmark)}: the {name(one)} or the {name(other)}? Answer with its colour and shape."


def place(world: World, target: Kind) -> str:
    if world.tiny:
        return f"where is the {name(target)} ?"
    return (
        f"Divide the picture into three rows and three columns of the same size. In which part is the {name(target)}? "
        f"Answer with one of: {', '.join(PLACES)}."
    )


def pointing(target: Kind) -> str:
    return (
        f"Point to the {name(target)}. Answer with its position as (x, y) in percent of the picture's width and height, "
        "where (0, 0) is the top left corner and (100, 100) the bottom right corner."
    )


def count(world: World, target: Kind) -> str:
    if world.tiny:
        return f"how many {plural(target)} ?"
    return f"How many {plural(target)} are in the picture? Answer with a number."


def exist(world: World, target: Kind) -> str:
    if world.tiny:
        return f"is there {an(name(target))} ?"
    return _yes(f"Is there {an(name(target))} in the picture?")


def smallest_colour(world: World) -> str:
    return f"Which colour is the smallest object in the picture? Answer with one of: {', '.join(world.colours)}."


def beside(way: str, landmark: Kind) -> str:
    return f"what is {way} the {name(landmark)} ?"


def more(world: World, target: Kind) -> str:
    if world.tiny:
        return f"which picture has more {plural(target)} ?"
    return f"Which picture has more {plural(target)}, the first or the second? Answer first or second."


def holder(target: Kind, pictures: int) -> str:
    return (
        f"Which of the {pictures} pictures has {an(name(target))} in it? Answer with its number, from 1 to {pictures}."
    )


def same(world: World) -> str:
    if world.tiny:
        return "is the second picture the same ?"
    return _yes(
        "Do the two pictures show the same objects in the same places? The colour of the background does not matter."
    )


CHANGES: Mapping[str, str] = {
    "gone": "One object of the first picture is missing in the second. Which one? Answer with its colour and shape.",
    "recoloured": "One object has another colour in the second picture. Which one? "
    "Answer with its colour and shape in the first picture.",
    "moved": "One object is in another place in the second picture. Which one? Answer with its colour and shape.",
}
