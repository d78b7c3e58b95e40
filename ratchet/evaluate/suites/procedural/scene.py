"""What is in a picture, to the pixel, and how it is drawn. Whole numbers only, so a scene has the same bytes everywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ratchet.errors import RecipeError
from ratchet.evaluate.suites.procedural.shapes import SHAPES, UNIT, inside, mask
from ratchet.tinyworld import draw, scene

Kind = tuple[str, str]
Colour = tuple[int, int, int]
INKS: dict[str, Colour] = {
    "red": (214, 40, 40), "green": (40, 150, 70), "blue": (40, 90, 215), "yellow": (238, 200, 20),
    "orange": (240, 125, 20), "purple": (125, 60, 175), "pink": (245, 130, 185), "black": (30, 30, 34),
}  # fmt: skip
TINY_GROUNDS: tuple[Colour, ...] = tuple((grey, grey, grey) for grey in range(16, 65, 8))
"""The greys of the tiny world."""
TINTED_GROUNDS: tuple[Colour, ...] = ((20, 20, 60), (20, 55, 20), (55, 20, 30), (22, 50, 55))
GROUNDS: tuple[Colour, ...] = ((250, 250, 250), (214, 220, 226), (250, 240, 214), (208, 226, 246), (214, 238, 214))
_TINT = 10
_SCALE = (3, 2)


class Thing(NamedTuple):
    """A coloured shape in its square: left and top pixel, side; `tint` is added to each channel of its ink."""

    colour: str
    shape: str
    left: int
    top: int
    size: int
    tint: int = 0

    @property
    def kind(self) -> Kind:
        return self.colour, self.shape

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.size / 2, self.top + self.size / 2

    def holds(self, x: float, y: float) -> bool:
        """Whether the point, in pixels, is inside the shape."""
        across, down = ((at - start) / self.size * UNIT for at, start in ((x, self.left), (y, self.top)))
        return bool(inside(self.shape, round(across), round(down)))


@dataclass(frozen=True, slots=True)
class Scene:
    """Things that do not overlap, on a ground. `noise` seeds the noise of a picture, None: it has none."""

    side: int
    things: tuple[Thing, ...]
    ground: Colour
    noise: int | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The scene as JSON-able facts, with which an answer can be checked without the picture."""
        return {"side": self.side, "things": [list(thing[:5]) for thing in self.things]}

    def with_thing(self, old: Thing, new: Thing | None) -> Scene:
        """The scene with one thing changed or gone, and nothing else."""
        changed = [new if thing == old else thing for thing in self.things]
        return replace(self, things=tuple(thing for thing in changed if thing is not None))

    def on(self, ground: Colour) -> Scene:
        return replace(self, ground=ground)

    def mirrored(self) -> Scene:
        """Left and right exchanged. Every shape is its own mirror image."""
        turned = (thing._replace(left=self.side - thing.left - thing.size) for thing in self.things)
        return replace(self, things=tuple(turned))

    def scaled(self) -> Scene:
        """All of it half as large again."""
        up, down = _SCALE
        larger = (
            t._replace(left=t.left * up // down, top=t.top * up // down, size=t.size * up // down) for t in self.things
        )
        return replace(self, side=self.side * up // down, things=tuple(larger))


@dataclass(frozen=True, slots=True)
class World:
    """The pictures of one size: `rows` x `rows` cells with at most one thing each, how many things, how large.

    `tiny` worlds are drawn and asked as the tiny world is, in its seed's words. `least` is the size of the smallest things.
    """

    side: int
    rows: int
    things: tuple[int, int]
    sizes: tuple[int, int]
    least: int
    tiny: bool = False

    @property
    def cell(self) -> int:
        return self.side // self.rows

    @property
    def colours(self) -> tuple[str, ...]:
        return scene.COLOURS if self.tiny else tuple(INKS)

    @property
    def shapes(self) -> tuple[str, ...]:
        return scene.SHAPES if self.tiny else SHAPES

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple((colour, shape) for colour in self.colours for shape in self.shapes)

    @property
    def grounds(self) -> tuple[Colour, ...]:
        return TINY_GROUNDS if self.tiny else GROUNDS

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Left and top pixel of a cell."""
        margin = (self.side - self.rows * self.cell) // 2
        return margin + column * self.cell, margin + row * self.cell


WORLDS: dict[int, World] = {
    world.side: world
    for world in (
        World(48, 3, (3, 8), (9, 13), 5, tiny=True),
        World(64, 3, (3, 8), (12, 18), 6, tiny=True),
        World(224, 6, (3, 18), (18, 30), 8),
        World(448, 9, (3, 30), (26, 42), 10),
        World(896, 9, (3, 40), (48, 84), 12),
    )
}


def world_of(side: int | None) -> World:
    """The world of that picture size, the tiny one for None. Raises RecipeError that lists the sizes."""
    found = WORLDS.get(side or next(iter(WORLDS)))
    if found is None:
        raise RecipeError(f"size {side}: procedural pictures are {', '.join(map(str, WORLDS))} pixels wide; give one.")
    return found


def other_ground(rng: random.Random, world: World, ground: Colour) -> Colour:
    """A ground of another colour, which no plain picture of a tiny world has."""
    return rng.choice(TINTED_GROUNDS if world.tiny else [one for one in world.grounds if one != ground])


def tint(rng: random.Random) -> int:
    return rng.randint(-_TINT, _TINT)


def pixels(drawn: Scene) -> npt.NDArray[np.uint8]:
    """The picture as rows x columns x RGB."""
    tiny = drawn.noise is not None
    canvas = np.empty((drawn.side, drawn.side, 3), dtype=np.uint8)
    # Row by row: filling three bytes at a time takes far longer.
    canvas[0] = drawn.ground
    canvas[1:] = canvas[0]
    for thing in drawn.things:
        _paint(canvas, thing, (draw.INK if tiny else INKS)[thing.colour])
    return canvas if drawn.noise is None else _noisy(canvas, drawn.noise)


def _paint(canvas: npt.NDArray[np.uint8], thing: Thing, ink: Sequence[int]) -> None:
    part = canvas[thing.top : thing.top + thing.size, thing.left : thing.left + thing.size]
    under = part.astype(np.int32)
    colour = np.array([min(max(channel + thing.tint, 0), 255) for channel in ink], dtype=np.int32)
    part[:] = under + (colour - under) * mask(thing.shape, thing.size)[:, :, None] // 255


def _noisy(canvas: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Noise of the tiny world's strength."""
    noise = np.frombuffer(random.Random(seed).randbytes(canvas.size), dtype=np.uint8).reshape(canvas.shape)
    drawn = canvas.astype(np.int32) + noise % draw.NOISE - draw.NOISE // 2
    return np.clip(drawn, 0, 255).astype(np.uint8)
