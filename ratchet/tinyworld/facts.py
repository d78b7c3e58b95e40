"""What can be asked about a scene of which we know everything: questions with all their answers, and which one is right."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations

from ratchet.tinyworld.questions import MOST, MOST_LISTED, NOTHING, name, place
from ratchet.tinyworld.scene import CELLS, COLOURS, DIRECTIONS, KINDS, SHAPES, Kind, Scene

Right = Callable[[Scene], str | None]


@dataclass(frozen=True)
class Fact:
    """A question, every answer that somebody may give, and what a scene says; None: it cannot be asked of that scene."""

    question: str
    answers: tuple[str, ...]
    right: Right

    @property
    def texts(self) -> list[str]:
        """The question with each of its answers."""
        return [f"{self.question} {answer}" for answer in self.answers]


def facts() -> list[Fact]:
    """All questions about one picture that have few answers, in a fixed order."""
    found = [Fact("what is the sum of the digits ?", tuple(map(str, range(11))), _sum)]
    for kind in KINDS:
        said = name(kind)
        numbers = tuple(str(n) for n in range(MOST + 1))
        found.append(Fact(f"how many {said}s ?", numbers, _shapes(partial(_count, kind))))
        found.append(Fact(f"is there a {said} ?", ("yes", "no"), _shapes(partial(_exist, kind))))
        places = tuple(place(cell) for cell in range(CELLS))
        found.append(Fact(f"where is the {said} ?", places, _alone(kind, _place)))
        things = (NOTHING, *map(name, KINDS))
        for way in DIRECTIONS:
            beside = _alone(kind, partial(_neighbour, way))
            found.append(Fact(f"what is {way} the {said} ?", things, beside))
    for a, b in permutations(SHAPES, 2):
        answers = (f"{a}s", f"{b}s", "same")
        found.append(Fact(f"more {a}s or {b}s ?", answers, _shapes(partial(_more, a, b))))
    return found


def lists(scene: Scene, wrong: int, chance: random.Random) -> list[str] | None:
    """The list of a scene's things or digits with its question, then `wrong` lists with one mistake; None if too long."""
    words = [thing.shape if thing.sample is not None else name(thing.kind) for thing in scene.things]
    digits = any(thing.sample is not None for thing in scene.things)
    if not words or len(words) > MOST_LISTED:
        return None
    question, between = ("read the digits .", " ") if digits else ("list the objects .", " , ")
    made = [words]
    while len(made) <= wrong:
        other = _mistaken(words, digits, chance)
        if other and (other != words if digits else Counter(other) != Counter(words)):
            made.append(other)
    return [f"{question} {between.join(one)}" for one in made]


def _mistaken(words: Sequence[str], digits: bool, chance: random.Random) -> list[str]:
    made = list(words)
    at = chance.randrange(len(made))
    thing = str(chance.randrange(6)) if digits else name(chance.choice(KINDS))
    kind = chance.random()
    if kind < 0.2:
        del made[at]
    elif kind < 0.4 and len(made) < MOST_LISTED:
        made.insert(at, thing)
    elif kind < 0.7 and not digits:
        colour, shape = made[at].split(" ")
        made[at] = f"{chance.choice(COLOURS)} {shape}" if chance.random() < 0.5 else f"{colour} {chance.choice(SHAPES)}"
    else:
        made[at] = thing
    return made


def _shapes(right: Right) -> Right:
    """Asked of scenes of shapes alone."""
    return lambda scene: None if any(thing.sample is not None for thing in scene.things) else right(scene)


def _alone(kind: Kind, right: Callable[[Scene, int], str]) -> Right:
    """Asked where exactly one thing is of the kind; `right` gets its cell."""

    def one(scene: Scene) -> str | None:
        cells = [n for n, t in enumerate(scene.cells) if t is not None and t.sample is None and t.kind == kind]
        return right(scene, cells[0]) if len(cells) == 1 else None

    return one


def _place(_scene: Scene, cell: int) -> str:
    return place(cell)


def _count(kind: Kind, scene: Scene) -> str:
    return str(sum(thing.kind == kind for thing in scene.things))


def _exist(kind: Kind, scene: Scene) -> str:
    return "yes" if any(thing.kind == kind for thing in scene.things) else "no"


def _neighbour(way: str, scene: Scene, cell: int) -> str:
    found = scene.neighbour(cell, way)
    return NOTHING if found is None else name(found.kind)


def _more(a: str, b: str, scene: Scene) -> str:
    first, second = (sum(thing.shape == shape for thing in scene.things) for shape in (a, b))
    return "same" if first == second else f"{a if first > second else b}s"


def _sum(scene: Scene) -> str | None:
    numbers = [int(thing.shape) for thing in scene.things if thing.sample is not None]
    return str(sum(numbers)) if len(numbers) == 2 else None
