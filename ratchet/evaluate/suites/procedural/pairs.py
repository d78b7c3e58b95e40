"""Pairs on relations: two pictures that differ in one thing, the same question, opposite answers."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from ratchet.evaluate.suites.procedural import asking
from ratchet.evaluate.suites.procedural.asking import WAYS, YES_NO, Asking, Reads, Together
from ratchet.evaluate.suites.procedural.board import Board, Cell, count_alike
from ratchet.evaluate.suites.procedural.grading import Knobs
from ratchet.evaluate.suites.procedural.scene import Kind, Scene, Thing, World

NEARER = 1.25
"""The farther of two is so many times as far, at least."""
_TRIES = 120


def pair(
    rng: random.Random, scenes: Sequence[Scene], text: str, answers: Sequence[str], reads: Reads,
    choices: tuple[str, ...], knobs: Knobs,
) -> Together:  # fmt: skip
    """The same question over two scenes, in either order."""
    both = [Asking(text, (s,), a, reads, choices) for s, a in zip(scenes, answers, strict=True)]
    return Together(tuple(rng.sample(both, 2)), knobs)


def measured(scenes: Sequence[Scene], target: Kind, size: int | None = None, gap: float | None = None) -> Knobs:
    """What makes a question about the target hard in these scenes."""
    knobs = [
        Knobs(len(s.things), count_alike(s, target), size, None if gap is None else math.floor(gap)) for s in scenes
    ]
    return knobs[0] if len(knobs) == 1 else knobs[0].harder(knobs[1])


def cell_on(axis: int, along: int, across: int) -> Cell:
    """The cell at a place along an axis (0: columns, 1: rows)."""
    return (across, along) if axis == 0 else (along, across)


def off(one: Thing, other: Thing, axis: int) -> float:
    """How much further along the axis the first centre lies."""
    return one.centre[axis] - other.centre[axis]


def apart(one: Thing, other: Thing) -> float:
    return math.dist(one.centre, other.centre)


def relation(rng: random.Random, world: World, level: float) -> Together:
    """One of two things goes to the other side of the other."""
    board, way = Board(rng, world, level), rng.choice(tuple(WAYS))
    subject, landmark = board.kinds(2)
    axis, sign = WAYS[way]
    reach = (world.rows - 1) // 2
    steps = reach - round(board.near() * (reach - 1))
    fixed = rng.randint(steps, world.rows - 1 - steps)
    across = rng.randrange(world.rows)
    # The line between the two is never steeper than a half right angle, or people would not say "left of".
    aside = min(max(across + rng.randint(1 - steps, steps - 1), 0), world.rows - 1)
    moves, stays = rng.sample((subject, landmark), 2)
    still = board.put(stays, cell_on(axis, fixed, across))
    there = board.put(moves, cell_on(axis, fixed - steps, aside))
    after = board.moved(there, board.take(cell_on(axis, fixed + steps, aside)))
    board.fill(board.count(), subject, (landmark,))
    scene = board.scene()
    scenes = (scene, scene.with_thing(there, after))
    # The mover comes from the lower side; "left of" and "above" are the sides of smaller coordinates.
    before = (moves == subject) == (sign < 0)
    gap = min(abs(off(there, still, axis)), abs(off(after, still, axis)))
    text = asking.relation(world, subject, way, landmark)
    answers = (asking.yes_no(before), asking.yes_no(not before))
    return pair(rng, scenes, text, answers, "yes_no", YES_NO, measured(scenes, subject, gap=gap))


def between(rng: random.Random, world: World, level: float) -> Together:
    """Three things on a line; the middle one, or an end, moves so that it is between them no more."""
    board, axis = Board(rng, world, level), rng.randrange(2)
    subject, one, other = board.kinds(3)
    span = 2 + round((1 - board.near()) * (world.rows - 4))
    low = rng.randint(0, world.rows - 1 - span)
    middle, high = rng.randint(low + 1, low + span - 1), low + span
    beyond = [place for place in range(world.rows) if place < low or place > high]
    across = rng.randrange(world.rows)
    inner = board.put(subject, cell_on(axis, middle, across))
    outer = board.put(one, cell_on(axis, low, across))
    board.put(other, cell_on(axis, high, across))
    if rng.random() < 0.5:
        old, new = inner, board.moved(inner, board.take(cell_on(axis, rng.choice(beyond), across)))
    else:
        # The end goes over to the other side of the middle, next to the other end.
        right = [place for place in range(middle + 1, world.rows) if place != high]
        if not right:
            return between(rng, world, level)
        old, new = outer, board.moved(outer, board.take(cell_on(axis, rng.choice(right), across)))
    board.fill(board.count(), subject, (one, other))
    scene = board.scene()
    scenes = (scene, scene.with_thing(old, new))
    gap = min(
        abs(off(a, b, axis)) for s in scenes for a in s.things for b in s.things if _named(a, b, subject, one, other)
    )
    text = asking.between(subject, *rng.sample((one, other), 2))
    return pair(rng, scenes, text, YES_NO, "yes_no", YES_NO, measured(scenes, subject, gap=gap))


def _named(a: Thing, b: Thing, *kinds: Kind) -> bool:
    return a is not b and a.kind == kinds[0] and b.kind in kinds[1:]


def nearest(rng: random.Random, world: World, level: float) -> Together:
    """Of two things one moves, from nearer to the landmark than the other to farther."""
    board = Board(rng, world, level)
    landmark, one, other = board.kinds(3)
    found = sorted((trial for _ in range(_TRIES) if (trial := _triangle(board, (landmark, one, other)))), key=_lead)
    centre, moves, moved, stays = found[round((1 - level) * (len(found) - 1))]
    for kind, thing in ((landmark, centre), (one, moves), (other, stays)):
        board.take(_cell_of(world, thing))
        board.things.append(thing._replace(colour=kind[0], shape=kind[1]))
    board.take(_cell_of(world, moved))
    board.fill(board.count(), landmark, (one, other))
    scene = board.scene()
    scenes = (scene, scene.with_thing(moves, moved))
    gap = _lead((centre, moves, moved, stays))
    names = rng.sample((asking.name(one), asking.name(other)), 2)
    first, second = (one, other) if names[0] == asking.name(one) else (other, one)
    text = asking.nearest(landmark, first, second)
    answers = (asking.name(one), asking.name(other))
    return pair(rng, scenes, text, answers, "choice", tuple(names), measured(scenes, landmark, gap=gap))


Triangle = tuple[Thing, Thing, Thing, Thing]


def _triangle(board: Board, kinds: tuple[Kind, Kind, Kind]) -> Triangle | None:
    """Landmark, what moves (near, then far), and what stays; None where the distances leave a doubt."""
    cells = board.rng.sample(sorted(board.free), 4)
    landmark, one, other = kinds
    centre, moves, stays = (
        board.placed(kind, cell) for kind, cell in zip((landmark, one, other), cells[:3], strict=True)
    )
    moved = board.moved(moves, cells[3])
    near, far, still = (apart(centre, thing) for thing in (moves, moved, stays))
    return (centre, moves, moved, stays) if near * NEARER <= still and still * NEARER <= far else None


def _lead(found: Triangle) -> float:
    centre, moves, moved, stays = found
    near, far, still = (apart(centre, thing) for thing in (moves, moved, stays))
    return min(still - near, far - still)


def _cell_of(world: World, thing: Thing) -> Cell:
    left, top = world.corner(0, 0)
    return (thing.top - top) // world.cell, (thing.left - left) // world.cell
