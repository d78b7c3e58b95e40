"""What is in a picture: nine cells, each empty or holding one thing. Pure data; drawing is in `draw`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.tinyworld import digits

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square", "triangle")
KINDS = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "center", "right")
CELLS = 9
DIRECTIONS = {"left of": -1, "right of": 1}

Kind = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """A coloured shape, or a handwritten digit: then `shape` is the digit and `sample` the handwriting."""

    colour: str
    shape: str
    sample: int | None = None

    @property
    def kind(self) -> Kind:
        """Colour and shape, the pair that questions name."""
        return self.colour, self.shape


@dataclass(frozen=True, slots=True)
class Scene:
    """Cells in reading order, and the seed of the sizes, places and noise of the drawing."""

    cells: tuple[Thing | None, ...]
    paint_seed: int

    @property
    def things(self) -> tuple[Thing, ...]:
        """The things in reading order."""
        return tuple(thing for thing in self.cells if thing is not None)

    def neighbour(self, cell: int, direction: str) -> Thing | None:
        """The thing in the cell next to `cell`, None when that cell is empty or outside."""
        column = cell % 3 + DIRECTIONS[direction]
        return self.cells[cell + DIRECTIONS[direction]] if 0 <= column < 3 else None


def scatter(rng: random.Random, things: Sequence[Thing]) -> Scene:
    """Put the things into cells drawn at random."""
    cells: list[Thing | None] = [None] * CELLS
    for cell, thing in zip(rng.sample(range(CELLS), len(things)), things, strict=True):
        cells[cell] = thing
    return Scene(tuple(cells), rng.getrandbits(48))


def shapes(rng: random.Random, count: int, kinds: Sequence[Kind] = KINDS) -> list[Thing]:
    """`count` shapes drawn from `kinds`, repeats allowed."""
    return [Thing(*rng.choice(kinds)) for _ in range(count)]


def handwriting(rng: random.Random, split: str, count: int) -> list[Thing]:
    """`count` digits in the handwriting of `split`."""
    samples = digits.samples_of(split)
    drawn = [rng.randrange(len(samples)) for _ in range(count)]
    return [Thing(rng.choice(COLOURS), str(digit), rng.choice(samples[digit])) for digit in drawn]
