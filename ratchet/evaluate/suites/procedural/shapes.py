"""Shapes in whole numbers: which points lie inside, and the soft-edged mask in which a shape is drawn."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.int64]
UNIT = 20_000
"""The side of the square in which a shape is given; centre at half of it, the edge at 0 and UNIT."""
_STEPS = 4
_STAR = (
    (10_000, 0), (12_245, 6_910), (19_511, 6_910), (13_633, 11_180), (15_878, 18_090),
    (10_000, 13_819), (4_122, 18_090), (6_367, 11_180), (489, 6_910), (7_755, 6_910),
)  # fmt: skip
"""A star with five points, clockwise from its top."""
SHAPES = ("circle", "square", "triangle", "star", "diamond", "cross")


def inside(shape: str, x: Any, y: Any) -> npt.NDArray[np.bool_]:
    """Whether points (whole numbers, 0 to UNIT in the shape's square) are inside."""
    across, down = np.asarray(x, np.int64), np.asarray(y, np.int64)
    within = (across >= 0) & (across <= UNIT) & (down >= 0) & (down <= UNIT)
    dx, dy = abs(2 * across - UNIT), abs(2 * down - UNIT)
    match shape:
        case "circle":
            found = dx**2 + dy**2 <= UNIT**2
        case "triangle":
            found = dx <= down
        case "diamond":
            found = dx + dy <= UNIT
        case "cross":
            found = (3 * dx <= UNIT) | (3 * dy <= UNIT)
        case "star":
            found = _in_star(across, down)
        case _:
            found = np.ones_like(within)
    return np.asarray(within & found)


def _in_star(x: Whole, y: Whole) -> npt.NDArray[np.bool_]:
    """Even-odd rule: how many edges a ray to the right crosses."""
    odd = np.zeros(np.broadcast(x, y).shape, dtype=np.bool_)
    for (x1, y1), (x2, y2) in zip(_STAR, (*_STAR[1:], _STAR[0]), strict=True):
        spans = (y1 > y) != (y2 > y)
        side = (x - x1) * (y2 - y1) - (x2 - x1) * (y - y1)
        odd ^= spans & ((side < 0) == (y2 > y1))
    return odd


@lru_cache(maxsize=2048)
def mask(shape: str, size: int) -> npt.NDArray[np.int32]:
    """The shape as opacity 0 to 255, `size` x `size`, from 4 x 4 samples in each pixel."""
    # Counted from the centre, so that a mirrored picture is the mirror image to the bit.
    steps = 2 * np.arange(_STEPS * size, dtype=np.int64) + 1 - _STEPS * size
    places = UNIT // 2 + np.sign(steps) * (abs(steps) * UNIT // (2 * _STEPS * size))
    hits = inside(shape, places[None, :], places[:, None])
    counted = np.broadcast_to(hits, (len(places), len(places))).reshape(size, _STEPS, size, _STEPS).sum(axis=(1, 3))
    return np.asarray(counted * 255 // _STEPS**2, dtype=np.int32)
