"""How hard an item is: what it is hard by, measured on the finished pictures, and one figure from 0 to 1.

The figure is the mean of the scales that the item has. Each is 0 at the easiest that its world draws and 1 at the hardest,
and none ever falls where its measure becomes harder: more things, more alike, smaller, closer, more pictures.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ratchet.evaluate.suites.procedural.scene import World

MOST_ALIKE = 10
MOST_PICTURES = 4
BANDS = ("easy", "medium", "hard")
DIGITS = 4


class Knobs(NamedTuple):
    """What makes an item hard. None: it plays no part.

    `things` in the fullest picture; `alike` of them share colour or shape with what is asked about; `size` of that in pixels,
    where it was drawn small; `gap` in pixels by which the answer is right; `lead` in things, the same for counts; `pictures`.
    """

    things: int
    alike: int
    size: int | None = None
    gap: int | None = None
    lead: int | None = None
    pictures: int | None = None

    def harder(self, other: Knobs) -> Knobs:
        """The harder of each: an item of two pictures is as hard as both."""

        def both(least: bool, one: int | None, two: int | None) -> int | None:
            given = [value for value in (one, two) if value is not None]
            return None if not given else min(given) if least else max(given)

        return Knobs(
            max(self.things, other.things),
            max(self.alike, other.alike),
            both(True, self.size, other.size),
            both(True, self.gap, other.gap),
            both(True, self.lead, other.lead),
            both(False, self.pictures, other.pictures),
        )


def difficulty(knobs: Knobs, world: World) -> float:
    """From 0, easiest, to 1."""
    fewest, most = world.things
    scales = [_share(knobs.things, fewest, most), _share(knobs.alike, 0, min(MOST_ALIKE, most - 1))]
    if knobs.size is not None:
        # By ratio: from 8 to 4 pixels matters as much as from 80 to 40.
        scales.append(_share(math.log(max(knobs.size, 1)), math.log(world.sizes[1]), math.log(world.least)))
    if knobs.gap is not None:
        scales.append(_share(knobs.gap, world.side / 2, world.least))
    if knobs.lead is not None:
        scales.append(_share(knobs.lead, 4, 1))
    if knobs.pictures is not None:
        scales.append(_share(knobs.pictures, 2, MOST_PICTURES))
    return round(sum(scales) / len(scales), DIGITS)


def band(grade: float) -> str:
    """easy, medium or hard: a third of the scale each."""
    return BANDS[min(int(grade * len(BANDS)), len(BANDS) - 1)]


def _share(value: float, easy: float, hard: float) -> float:
    return min(max((value - easy) / (hard - easy), 0.0), 1.0)
