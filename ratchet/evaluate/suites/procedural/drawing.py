"""From makers to a suite's questions: seeds that splits never share, parts in turn, pictures encoded."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from ratchet.errors import RecipeError
from ratchet.evaluate.suites.base import Drawing, DrawnSplit, Question
from ratchet.evaluate.suites.procedural import encoding
from ratchet.evaluate.suites.procedural.asking import Maker, Together
from ratchet.evaluate.suites.procedural.grading import difficulty
from ratchet.evaluate.suites.procedural.scene import Scene, World, pixels, world_of

VERSION = 1
"""Part of every random seed: raise it when a change alters items on purpose."""
SPLITS: tuple[str, ...] = get_args(DrawnSplit)
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of item, with its maker. `tiny` and `large`: whether worlds in the tiny world's words, and others, have it."""

    name: str
    maker: Maker
    tiny: bool = True
    large: bool = True


def random_seed(name: str, drawing: Drawing, world: World, part: str, index: int) -> int:
    """60 hashed bits above which the split's number gives each split a range of its own."""
    text = f"{VERSION}/{name}/{drawing.salt}/{world.side}/{part}/{index}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return (SPLITS.index(drawing.split) << 60) | (int.from_bytes(digest) >> 4)


def drawer(name: str, parts: tuple[Part, ...]) -> Callable[[Drawing], Iterator[Question]]:
    """The `draw` of a suite. Raises RecipeError for parts or a size that it does not have."""
    return partial(_draw, name, {part.name: part for part in parts})


def sets(name: str, parts: Mapping[str, Part], drawing: Drawing) -> Iterator[tuple[str, int, Together]]:
    """(part, index in it, set) without end. The part with the fewest items is next, so all get the same share."""
    world = world_of(drawing.size)
    drawn = {part: [0, 0] for part in _chosen(name, parts, drawing, world)}
    while True:
        part = min(drawn, key=lambda one: drawn[one][0])
        index = drawn[part][1]
        rng = random.Random(random_seed(name, drawing, world, part, index))
        # Multiples of the golden ratio fill 0..1 evenly from the start, so every band has its share of a short draw.
        made = parts[part].maker(rng, world, (index + 0.5) * _GOLDEN % 1)
        drawn[part][0] += len(made.asked)
        drawn[part][1] += 1
        yield part, index, made


def _draw(name: str, parts: Mapping[str, Part], drawing: Drawing) -> Iterator[Question]:
    world, left = world_of(drawing.size), drawing.n
    for part, index, made in sets(name, parts, drawing):
        left -= len(made.asked)
        if left < 0:
            return
        yield from _questions(f"{drawing.split}-{part}-{index}", part, made, world, drawing.salt)


def _chosen(name: str, parts: Mapping[str, Part], drawing: Drawing, world: World) -> list[str]:
    there = [one.name for one in parts.values() if (one.tiny if world.tiny else one.large)]
    wrong = [part for part in drawing.parts if part not in there]
    if wrong:
        raise RecipeError(
            f"suite {name} has no part {wrong[0]!r} at size {world.side}; there are: {', '.join(there)}. "
            + ("Sizes of 224 and more have more parts." if world.tiny and wrong[0] in parts else "")
        )
    return [part for part in there if not drawing.parts or part in drawing.parts]


def _questions(unit: str, part: str, made: Together, world: World, salt: str) -> Iterator[Question]:
    """The set's questions. All of one set are one cluster: they share pictures. Drawn by another salt it is another."""
    grade = difficulty(made.knobs, world)
    knobs = {knob: value for knob, value in made.knobs._asdict().items() if value is not None}
    drawn: dict[tuple[Scene, bool], bytes] = {}
    for number, asked in enumerate(made.asked):
        facts: dict[str, Any] = {
            "reads": asked.reads,
            "choices": list(asked.choices),
            "of": len(made.asked),
            "difficulty": grade,
            "knobs": knobs,
            "scenes": [scene.facts for scene in asked.scenes],
        }
        if asked.form:
            facts |= {"form": asked.form, "means": dict(asked.means)}
        yield Question(
            key=f"{unit}-{number}",
            text=asked.text,
            pictures=tuple(_encoded(scene, asked.lossy, drawn) for scene in asked.scenes),
            reference=asked.reference,
            category=part,
            unit=unit,
            facts=facts,
            cluster=f"{unit}@{world.side}/{salt}",
            difficulty=grade,
        )


def _encoded(scene: Scene, lossy: bool, drawn: dict[tuple[Scene, bool], bytes]) -> bytes:
    """The picture's bytes; the questions of a set often show the same one."""
    known = drawn.get((scene, lossy))
    if known is None:
        known = drawn[scene, lossy] = (encoding.jpeg if lossy else encoding.png)(pixels(scene))
    return known
