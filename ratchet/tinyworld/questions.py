"""One function per skill: draw scenes and ask something whose answer follows from them.

`most` caps how many things a scene holds; the seed's curriculum uses it to start easy.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ratchet.tinyworld.scene import (
    CELLS,
    COLOURS,
    COLUMNS,
    DIRECTIONS,
    KINDS,
    ROWS,
    SHAPES,
    Kind,
    Scene,
    Thing,
    handwriting,
    scatter,
    shapes,
)

NOTHING = "nothing"
MOST = 6
MOST_LISTED = 4
NOTHING_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Question:
    """Scenes in the order shown, the question's text, the answer, and how hard it is from 0 to 1."""

    scenes: tuple[Scene, ...]
    text: str
    answer: str
    difficulty: float


def place(cell: int) -> str:
    """A cell's name, such as "top left"."""
    return f"{ROWS[cell // 3]} {COLUMNS[cell % 3]}"


def name(kind: Kind) -> str:
    """A kind in words, such as "red circle"."""
    return " ".join(kind)


def _share(count: int, most: int) -> float:
    return round((count - 1) / (most - 1), 3) if count > 0 else 0.0


def _others(kind: Kind) -> list[Kind]:
    return [other for other in KINDS if other != kind]


def _near(kind: Kind) -> list[Kind]:
    """Kinds that share the colour or the shape: the ones easily mistaken for it."""
    return [other for other in _others(kind) if other[0] == kind[0] or other[1] == kind[1]]


def _beside(rng: random.Random, kind: Kind, room: int) -> list[Thing]:
    """Up to `room` things that are not of `kind`, half of them easily mistaken for it."""
    near, others = _near(kind), _others(kind)
    return [Thing(*rng.choice(near if rng.random() < 0.5 else others)) for _ in range(rng.randint(0, room))]


def _count(rng: random.Random, _split: str, most: int) -> Question:
    kind = rng.choice(KINDS)
    number = rng.randint(0, min(5, most))
    things = [Thing(*kind)] * number + _beside(rng, kind, most - number)
    things = things or shapes(rng, 1, _others(kind))
    return Question((scatter(rng, things),), f"how many {name(kind)}s ?", str(number), _share(len(things), MOST))


def _exist(rng: random.Random, _split: str, most: int) -> Question:
    kind = rng.choice(KINDS)
    colour, shape = kind
    total = rng.randint(2, max(2, most))
    if rng.random() < 0.5:
        things = [Thing(*kind), *shapes(rng, total - 1, _others(kind))]
        answer = "yes"
    elif rng.random() < 0.5:
        # Adversarial: the colour and the shape are both there, never together.
        other_shape = rng.choice([s for s in SHAPES if s != shape])
        other_colour = rng.choice([c for c in COLOURS if c != colour])
        traps = [Thing(colour, other_shape), Thing(other_colour, shape)]
        things = [*traps, *shapes(rng, total - 2, _others(kind))]
        answer = "no"
    else:
        things = shapes(rng, total, _others(kind))
        answer = "no"
    return Question((scatter(rng, things),), f"is there a {name(kind)} ?", answer, _share(total, MOST))


def _read(rng: random.Random, split: str, most: int) -> Question:
    scene = scatter(rng, handwriting(rng, split, rng.randint(1, min(3, most))))
    answer = " ".join(thing.shape for thing in scene.things)
    return Question((scene,), "read the digits .", answer, _share(len(scene.things), 3))


def _add(rng: random.Random, split: str, _most: int) -> Question:
    things = handwriting(rng, split, 2)
    total = sum(int(thing.shape) for thing in things)
    return Question((scatter(rng, things),), "what is the sum of the digits ?", str(total), round(total / 10, 3))


def _locate(rng: random.Random, _split: str, most: int) -> Question:
    kind = rng.choice(KINDS)
    scene = scatter(rng, [Thing(*kind), *shapes(rng, rng.randint(0, most - 1), _others(kind))])
    cell = next(i for i, thing in enumerate(scene.cells) if thing is not None and thing.kind == kind)
    return Question((scene,), f"where is the {name(kind)} ?", place(cell), _share(len(scene.things), MOST))


def _compare(rng: random.Random, _split: str, most: int) -> Question:
    first, second = rng.sample(SHAPES, 2)
    third = next(shape for shape in SHAPES if shape not in (first, second))
    answer = rng.choice((f"{first}s", f"{second}s", "same"))
    if answer == "same":
        many = few = rng.randint(1, max(1, most // 2))
    else:
        few = rng.randint(0, (most - 1) // 2)
        many = rng.randint(few + 1, most - few)
    counts = {first: many, second: few} if answer != f"{second}s" else {first: few, second: many}
    counts[third] = rng.randint(0, max(0, min(2, most - many - few)))
    things = [Thing(rng.choice(COLOURS), shape) for shape, number in counts.items() for _ in range(number)]
    text = f"more {first}s or {second}s ?"
    return Question((scatter(rng, things),), text, answer, _share(len(things), MOST))


def _caption(rng: random.Random, _split: str, most: int) -> Question:
    scene = scatter(rng, shapes(rng, rng.randint(1, min(MOST_LISTED, most))))
    answer = " , ".join(name(thing.kind) for thing in scene.things)
    return Question((scene,), "list the objects .", answer, _share(len(scene.things), MOST_LISTED))


def _relation(rng: random.Random, _split: str, most: int) -> Question:
    kind = rng.choice(KINDS)
    wants_nothing = rng.random() < NOTHING_SHARE
    direction = rng.choice(tuple(DIRECTIONS))
    while True:
        things = [Thing(*kind), *shapes(rng, rng.randint(1, max(1, most - 1)), _others(kind))]
        scene = scatter(rng, things)
        cell = next(i for i in range(CELLS) if (thing := scene.cells[i]) is not None and thing.kind == kind)
        found = scene.neighbour(cell, direction)
        if (found is None) == wants_nothing:
            break
    answer = NOTHING if found is None else name(found.kind)
    return Question((scene,), f"what is {direction} the {name(kind)} ?", answer, _share(len(things), MOST))


def _pair(rng: random.Random, _split: str, most: int) -> Question:
    kind = rng.choice(KINDS)
    answer = rng.choice(("first", "second", "same"))
    few, many = sorted(rng.sample(range(min(4, most) + 1), 2))
    numbers = {"first": (many, few), "second": (few, many), "same": (few, few)}[answer]
    scenes = []
    for number in numbers:
        things = [Thing(*kind)] * number + _beside(rng, kind, min(3, most - number))
        scenes.append(scatter(rng, things or shapes(rng, 1, _others(kind))))
    total = sum(len(scene.things) for scene in scenes)
    text = f"which picture has more {name(kind)}s ?"
    return Question(tuple(scenes), text, answer, _share(total, 2 * MOST))


ASK: dict[str, Callable[[random.Random, str, int], Question]] = {
    "count": _count,
    "exist": _exist,
    "read": _read,
    "add": _add,
    "locate": _locate,
    "compare": _compare,
    "caption": _caption,
    "relation": _relation,
    "pair": _pair,
}
