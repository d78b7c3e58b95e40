"""Pairs on one thing: where it is, what it is, how many there are, down to a few pixels."""

from __future__ import annotations

import random

from ratchet.evaluate.suites.procedural import asking
from ratchet.evaluate.suites.procedural.asking import PLACES, YES_NO, Together
from ratchet.evaluate.suites.procedural.board import Board, Cell, alike
from ratchet.evaluate.suites.procedural.pairs import measured, pair
from ratchet.evaluate.suites.procedural.scene import Kind, Thing, World

MOST_COUNTED = 5
BORDER = 0.07
"""Share of the picture's side that a thing's centre keeps from the border of two thirds."""
_APART = 2
_LARGER = 1.6
"""The smallest thing is smaller than all others by this factor, at least."""


def third_of(side: int, thing: Thing) -> str | None:
    """The ninth of the picture in which the thing is; None close to a border."""
    thirds = []
    for at in thing.centre:
        if min(abs(at - side / 3), abs(at - 2 * side / 3)) < BORDER * side:
            return None
        thirds.append(int(3 * at / side))
    return PLACES[3 * thirds[1] + thirds[0]]


def place(rng: random.Random, world: World, level: float) -> Together:
    """The target goes to another ninth of the picture."""
    board = Board(rng, world, level)
    (target,) = board.kinds(1)
    size = board.small()
    first, second = rng.sample(PLACES, 2)
    here, there = (_in_third(board, target, size, wanted) for wanted in (first, second))
    for cell, _ in (here, there):
        board.take(cell)
    board.things.append(here[1])
    board.fill(board.count(), target, ())
    scene = board.scene()
    moved = here[1]._replace(left=there[1].left, top=there[1].top)
    scenes = (scene, scene.with_thing(here[1], moved))
    text, knobs = asking.place(world, target), measured(scenes, target, size=size)
    return pair(rng, scenes, text, (first, second), "choice", PLACES, knobs)


def _in_third(board: Board, kind: Kind, size: int, wanted: str) -> tuple[Cell, Thing]:
    """A thing wholly within a ninth, away from its borders."""
    row, column = divmod(PLACES.index(wanted), 3)
    each = board.world.rows // 3
    while True:
        cell = (row * each + board.rng.randrange(each), column * each + board.rng.randrange(each))
        thing = board.placed(kind, cell, size)
        if cell in board.free and third_of(board.world.side, thing) == wanted:
            return cell, thing


def pointing(rng: random.Random, world: World, level: float) -> Together:
    """The target goes elsewhere, at least two cells away."""
    board = Board(rng, world, level)
    (target,) = board.kinds(1)
    size = board.small()
    cell = board.pick()
    here = board.put(target, cell, size)
    far = [one for one in sorted(board.free) if max(abs(one[0] - cell[0]), abs(one[1] - cell[1])) >= _APART]
    there = board.moved(here, board.take(rng.choice(far)))
    board.fill(board.count(), target, ())
    scene = board.scene()
    scenes = (scene, scene.with_thing(here, there))
    answers = [percent(scene.side, thing) for thing in (here, there)]
    return pair(
        rng, scenes, asking.pointing(target), answers, "point", (asking.name(target),),
        measured(scenes, target, size=size),
    )  # fmt: skip


def percent(side: int, thing: Thing) -> str:
    """Where the thing's centre is."""
    return "({:.1f}, {:.1f})".format(*(100 * at / side for at in thing.centre))


def changed_kind(rng: random.Random, world: World, target: Kind) -> Kind:
    """A kind that is like the target, and another."""
    return rng.choice([kind for kind in world.kinds if alike(kind, target)])


def count(rng: random.Random, world: World, level: float) -> Together:
    """One of the small targets becomes something like it, so that there is one fewer.

    The numbers are 0 and 1, 2 and 3, or 4 and 5: each number is the answer equally often.
    """
    board = Board(rng, world, level)
    (target,) = board.kinds(1)
    size = board.small()
    number = rng.randrange(1, MOST_COUNTED + 1, 2)
    targets = [board.put(target, size=size) for _ in range(number)]
    board.fill(max(board.count(), number), target, (), size=size)
    scene = board.scene()
    colour, shape = changed_kind(rng, world, target)
    scenes = (scene, scene.with_thing(targets[0], targets[0]._replace(colour=colour, shape=shape)))
    numbers = tuple(map(str, range(MOST_COUNTED + 1)))
    answers = (str(number), str(number - 1))
    text, knobs = asking.count(world, target), measured(scenes, target, size=size)
    return pair(rng, scenes, text, answers, "number", numbers, knobs)


def exist(rng: random.Random, world: World, level: float) -> Together:
    """The one small target becomes something like it."""
    board = Board(rng, world, level)
    (target,) = board.kinds(1)
    size = board.small()
    there = board.put(target, size=size)
    board.fill(board.count(), target, (), size=size)
    scene = board.scene()
    colour, shape = changed_kind(rng, world, target)
    scenes = (scene, scene.with_thing(there, there._replace(colour=colour, shape=shape)))
    text, knobs = asking.exist(world, target), measured(scenes, target, size=size)
    return pair(rng, scenes, text, YES_NO, "yes_no", YES_NO, knobs)


def colour(rng: random.Random, world: World, level: float) -> Together:
    """The smallest thing has another colour."""
    board = Board(rng, world, level)
    (target,) = board.kinds(1)
    size = min(board.small(), int(world.sizes[0] / _LARGER))
    there = board.put(target, size=size)
    board.fill(board.count(), target, ())
    scene = board.scene()
    other = rng.choice([one for one in world.colours if one != target[0]])
    scenes = (scene, scene.with_thing(there, there._replace(colour=other)))
    answers = (target[0], other)
    knobs = measured(scenes, target, size=size)
    return pair(rng, scenes, asking.smallest_colour(world), answers, "choice", world.colours, knobs)


def beside(rng: random.Random, world: World, level: float) -> Together:
    """The thing in the next cell is another. Asked in the tiny world's sense: next to it, in its row."""
    board, way = Board(rng, world, level), rng.choice(("left of", "right of"))
    landmark, first, second = board.kinds(3)
    row, column = rng.randrange(world.rows), rng.randrange(world.rows - 1)
    cells = [(row, column), (row, column + 1)]
    seen, by = cells if way == "left of" else reversed(cells)
    board.put(landmark, by)
    there = board.put(first, seen)
    board.fill(board.count(), landmark, ())
    scene = board.scene()
    after = there._replace(colour=second[0], shape=second[1])
    scenes = (scene, scene.with_thing(there, after))
    names = tuple(asking.name(kind) for kind in world.kinds)
    answers = (asking.name(first), asking.name(second))
    knobs = measured(scenes, landmark)
    return pair(rng, scenes, asking.beside(way, landmark), answers, "choice", names, knobs)
