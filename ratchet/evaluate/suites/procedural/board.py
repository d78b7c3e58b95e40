"""A picture while it is made: cells that are still free, and things put into them."""

from __future__ import annotations

import math
import random
from collections.abc import Collection

from ratchet.evaluate.suites.procedural.grading import MOST_ALIKE
from ratchet.evaluate.suites.procedural.scene import Kind, Scene, Thing, World, tint

Cell = tuple[int, int]
"""Row and column."""
_MARGIN = 1
_NOISE_BITS = 48


class Board:
    """Draws with one random source; `level`, 0 to 1, is how hard it shall be."""

    def __init__(self, rng: random.Random, world: World, level: float) -> None:
        self.rng, self.world = rng, world
        self.level = level
        cells = [(row, column) for row in range(world.rows) for column in range(world.rows)]
        self.free = set(cells)
        self._order = rng.sample(cells, len(cells))
        self.things: list[Thing] = []

    def near(self, spread: float = 0.15) -> float:
        """A level near the board's, so that what makes an item hard does not all rise together."""
        return min(max(self.level + self.rng.uniform(-spread, spread), 0.0), 1.0)

    def count(self) -> int:
        """How many things the picture shall hold."""
        fewest, most = self.world.things
        return fewest + round(self.near() * (most - fewest))

    def small(self) -> int:
        """A size between the largest and the smallest things, by ratio."""
        largest = min(self.world.sizes[1], self.world.cell - 2 * _MARGIN)
        return round(largest * math.pow(self.world.least / largest, self.near()))

    def size(self) -> int:
        return self.rng.randint(*self.world.sizes)

    def take(self, cell: Cell) -> Cell:
        """The cell, which nothing else shall be put into."""
        self.free.discard(cell)
        return cell

    def pick(self) -> Cell:
        """A free cell."""
        return self.take(next(cell for cell in self._order if cell in self.free))

    def placed(self, kind: Kind, cell: Cell, size: int | None = None) -> Thing:
        """A thing somewhere inside a cell, on no picture yet."""
        side = min(self.size() if size is None else size, self.world.cell - 2 * _MARGIN)
        left, top = self.world.corner(*cell)
        room = self.world.cell - side - 2 * _MARGIN
        across, down = (_MARGIN + self.rng.randint(0, room) for _ in range(2))
        return Thing(*kind, left + across, top + down, side, tint(self.rng))

    def moved(self, thing: Thing, cell: Cell) -> Thing:
        """The same thing in another cell."""
        there = self.placed(thing.kind, cell, thing.size)
        return thing._replace(left=there.left, top=there.top)

    def put(self, kind: Kind, cell: Cell | None = None, size: int | None = None) -> Thing:
        """A thing in a cell, a free one if none is given."""
        thing = self.placed(kind, self.pick() if cell is None else self.take(cell), size)
        self.things.append(thing)
        return thing

    def fill(self, total: int, target: Kind, never: Collection[Kind], size: int | None = None) -> None:
        """Other things until there are `total`: the harder the level, the more of them are like the target."""
        others = [kind for kind in self.world.kinds if kind != target and kind not in never]
        like = [kind for kind in others if alike(kind, target)]
        while len(self.things) < total and self.free:
            wanted = like if like and self.rng.random() < self.near() else others
            self.put(self.rng.choice(wanted), size=size)

    def scene(self) -> Scene:
        """What was put, in no order, on a ground of its own."""
        shuffled = self.rng.sample(self.things, len(self.things))
        noise = self.rng.getrandbits(_NOISE_BITS) if self.world.tiny else None
        return Scene(self.world.side, tuple(shuffled), self.rng.choice(self.world.grounds), noise)

    def kinds(self, count: int) -> list[Kind]:
        """Different kinds; the harder the level, the likelier they are alike."""
        first = self.rng.choice(self.world.kinds)
        chosen = [first]
        while len(chosen) < count:
            like = self.rng.random() < self.level
            pool = [k for k in self.world.kinds if k not in chosen and (not like or alike(k, first))]
            chosen.append(self.rng.choice(pool))
        return self.rng.sample(chosen, len(chosen))


def alike(one: Kind, other: Kind) -> bool:
    """Easily mistaken: the same colour or the same shape, not both."""
    return (one[0] == other[0]) != (one[1] == other[1])


def count_alike(scene: Scene, target: Kind) -> int:
    """Things that are easily mistaken for the target, as far as they count."""
    return min(sum(alike(thing.kind, target) for thing in scene.things), MOST_ALIKE)
