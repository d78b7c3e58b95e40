"""Grids with walls: drawn at random, solved, shown as a picture, and the moves that an answer names."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ratchet.verify import text as texts
from ratchet.verify.environments.states import FREE, WALL, MazeState, Place

MOVES: dict[str, Place] = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
LEVELS = ((3, 0.15), (4, 0.2), (5, 0.25), (6, 0.3), (8, 0.35))
"""Cells on a side and share of walls, from easy to hard."""
_NAMES = {**{name: name for name in MOVES}, **{name[0]: name for name in MOVES}}
_NAMES |= {"↑": "up", "↓": "down", "←": "left", "→": "right", "above": "up", "below": "down"}
_NAMES |= {"north": "up", "south": "down", "west": "left", "east": "right"}
_RUN = re.compile(r"[udlr]+|[↑↓←→]+")
_APART = re.compile(r"[\s,;\[\]\"'>-]+")
_INK = {FREE: (225, 225, 225), WALL: (40, 40, 40)}
_START, _GOAL = (60, 95, 225), (45, 185, 65)
SIDE = 48
"""Pixels of a side, about: small enough for the tiny world's model."""


class Maze(NamedTuple):
    """A state, its shortest way, and how hard it is from 0 to 1."""

    state: MazeState
    way: tuple[str, ...]
    difficulty: float


def draw(rng: random.Random, level: int | None = None) -> Maze:
    """A maze that can be solved, of a level of LEVELS, or of any. The same for the same state of `rng`."""
    number = rng.randrange(len(LEVELS)) if level is None else level
    side, density = LEVELS[number]
    while True:
        rows = tuple("".join(WALL if rng.random() < density else FREE for _ in range(side)) for _ in range(side))
        places = [(r, c) for r in range(side) for c in range(side) if rows[r][c] == FREE]
        if len(places) < 2:
            continue
        start, goal = rng.sample(places, 2)
        state = MazeState(rows=rows, start=start, goal=goal, cell=SIDE // side)
        way = shortest(state)
        if way is not None and len(way) >= side - 1:
            return Maze(state, way, round(number / (len(LEVELS) - 1), 3))


def moved(place: Place, move: str) -> Place:
    down, right = MOVES[move]
    return place[0] + down, place[1] + right


def distances(state: MazeState) -> dict[Place, int]:
    """Moves to the goal from every cell that has a way to it."""
    found, waiting = {state.goal: 0}, deque([state.goal])
    while waiting:
        here = waiting.popleft()
        for move in MOVES:
            there = moved(here, move)
            if state.is_free(there) and there not in found:
                found[there] = found[here] + 1
                waiting.append(there)
    return found


def shortest(state: MazeState) -> tuple[str, ...] | None:
    """One of the shortest ways from start to goal; None where there is none."""
    away = distances(state)
    if state.start not in away:
        return None
    here, way = state.start, []
    while away[here]:
        move = next(m for m in MOVES if away.get(moved(here, m), len(away)) < away[here])
        here = moved(here, move)
        way.append(move)
    return tuple(way)


def moves(answer: str) -> Iterator[tuple[str, ...]]:
    """The moves that a text consists of: words, first letters (also run together), arrows, or compass points.

    Nothing where any part of it is something else.
    """
    found: list[str] = []
    for token in filter(None, _APART.split(texts.normalise(answer).replace("->", " "))):
        parts = [token] if token in _NAMES else [*token] if _RUN.fullmatch(token) else []
        if not parts:
            return
        found += [_NAMES[part] for part in parts]
    if found:
        yield tuple(found)


def picture(state: MazeState, here: Place | None = None) -> npt.NDArray[np.uint8]:
    """Rows x columns x RGB, a lattice of cells: walls dark, the goal green, and blue where one stands (the start)."""
    cells = np.array([[_INK[cell] for cell in row] for row in state.rows], dtype=np.uint8)
    cells[state.goal] = _GOAL
    cells[state.start if here is None else here] = _START
    return cells.repeat(state.cell, axis=0).repeat(state.cell, axis=1)
