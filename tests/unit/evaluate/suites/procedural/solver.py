"""Answers a drawn question from its words and the scenes' facts alone: shares no code with what drew it.

Raises AssertionError where a question has no answer, or more than one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any, NamedTuple

COLOURS = "red|green|blue|yellow|orange|purple|pink|black"
SHAPES = "circle|square|triangle|star|diamond|cross"
KIND = rf"((?:{COLOURS}) (?:{SHAPES}))"
KINDS = rf"((?:{COLOURS}) (?:{SHAPES}))e?s"
WAY = r"(?:to the )?(left of|right of|above|below)"
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "center", "right")


class Seen(NamedTuple):
    name: str
    x: float
    y: float
    half: float


def things(scene: dict[str, Any]) -> list[Seen]:
    return [
        Seen(f"{colour} {shape}", left + size / 2, top + size / 2, size / 2)
        for colour, shape, left, top, size in scene["things"]
    ]


def well_drawn(scene: dict[str, Any]) -> bool:
    """Everything is wholly in the picture, and nothing on anything else."""
    found = things(scene)
    return all(one.half <= at <= scene["side"] - one.half for one in found for at in (one.x, one.y)) and all(
        max(abs(one.x - other.x), abs(one.y - other.y)) >= one.half + other.half
        for number, one in enumerate(found)
        for other in found[:number]
    )


def the(scene: dict[str, Any], name: str) -> Seen:
    (one,) = [thing for thing in things(scene) if thing.name == name]
    return one


def related(one: Seen, way: str, other: Seen) -> bool:
    """Clear of each other along the way, and no further apart across it than along it, or nearly."""
    along, across = (one.x - other.x, one.y - other.y) if way.endswith("of") else (one.y - other.y, one.x - other.x)
    assert abs(along) >= one.half + other.half, "neither is clearly on one side"
    assert abs(across) <= 1.35 * abs(along), "too slanting to say"
    return along < 0 if way in ("left of", "above") else along > 0


def yes(truth: bool) -> str:
    return "yes" if truth else "no"


def relation(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.search(rf"(?i)the {KIND} is (not )?{WAY} the {KIND}|is the {KIND} {WAY} the {KIND}", text)
    if found is None:
        return None
    one, negated, way, other, one_, way_, other_ = found.groups()
    truth = related(the(scenes[0], one or one_), way or way_, the(scenes[0], other or other_))
    return yes(truth != bool(negated))


def between(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.search(rf"Is the {KIND} between the {KIND} and the {KIND}\?", text)
    if found is None:
        return None
    middle, one, other = (the(scenes[0], name) for name in found.groups())
    dx, dy = other.x - one.x, other.y - one.y
    along = ((middle.x - one.x) * dx + (middle.y - one.y) * dy) / (dx * dx + dy * dy)
    aside = abs((middle.x - one.x) * dy - (middle.y - one.y) * dx) / math.hypot(dx, dy)
    if 0.1 <= along <= 0.9:
        assert aside <= 1.5 * max(middle.half, one.half, other.half), "between, and off the line"
        return "yes"
    assert along <= -0.1 or along >= 1.1, "on an end"
    return "no"


def nearest(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.search(rf"nearer to the {KIND}: the {KIND} or the {KIND}\?", text)
    if found is None:
        return None
    here, one, other = (the(scenes[0], name) for name in found.groups())
    near, far = sorted((math.dist(here[1:3], thing[1:3]), thing.name) for thing in (one, other))
    assert near[0] * 1.2 <= far[0], "about as near"
    return near[1]


def beside(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.fullmatch(rf"what is (left of|right of) the {KIND} \?", text)
    if found is None:
        return None
    cell = scenes[0]["side"] / 3
    here = the(scenes[0], found[2])
    column = int(here.x / cell) + (-1 if found[1] == "left of" else 1)
    (one,) = [
        thing.name for thing in things(scenes[0]) if (int(thing.x / cell), int(thing.y / cell)) == (column, int(here.y / cell))
    ]  # fmt: skip
    return one


def place(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.search(rf"where is the {KIND} \?|In which part is the {KIND}\?", text)
    if found is None:
        return None
    here, side = the(scenes[0], found[1] or found[2]), scenes[0]["side"]
    for at in (here.x, here.y):
        assert min(abs(at - side / 3), abs(at - 2 * side / 3)) > 0.06 * side, "on a border"
    return f"{ROWS[int(3 * here.y / side)]} {COLUMNS[int(3 * here.x / side)]}"


def point(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.search(rf"Point to the {KIND}", text)
    if found is None:
        return None
    here, side = the(scenes[0], found[1]), scenes[0]["side"]
    return f"({100 * here.x / side:.1f}, {100 * here.y / side:.1f})"


def counted(scene: dict[str, Any], name: str) -> int:
    return sum(thing.name == name for thing in things(scene))


def count(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.search(rf"(?i)how many {KINDS} ", text)
    return None if found is None else str(counted(scenes[0], found[1]))


def exist(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.search(rf"(?i)is there an? {KIND} ?(?:in the picture)?\?", text)
    return None if found is None else yes(counted(scenes[0], found[1]) > 0)


def smallest(text: str, scenes: list[dict[str, Any]]) -> str | None:
    if not text.startswith("Which colour is the smallest object"):
        return None
    least, second = sorted(things(scenes[0]), key=lambda thing: thing.half)[:2]
    assert least.half * 1.4 <= second.half, "about as small"
    return least.name.split()[0]


def more(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.search(rf"(?i)which picture has more {KINDS}\b", text)
    if found is None:
        return None
    first, second = (counted(scene, found[1]) for scene in scenes)
    assert first != second
    return "first" if first > second else "second"


def holder(text: str, scenes: list[dict[str, Any]]) -> str | None:
    found = re.search(rf"Which of the (\d) pictures has an? {KIND} in it\?", text)
    if found is None:
        return None
    assert int(found[1]) == len(scenes)
    (one,) = [number for number, scene in enumerate(scenes, 1) if counted(scene, found[2])]
    return str(one)


def same(text: str, scenes: list[dict[str, Any]]) -> str | None:
    if text != "is the second picture the same ?" and not text.startswith("Do the two pictures show the same objects"):
        return None
    first, second = (Counter(things(scene)) for scene in scenes)
    return yes(first == second)


def difference(text: str, scenes: list[dict[str, Any]]) -> str | None:
    if "Which one?" not in text:
        return None
    first, second = (set(things(scene)) for scene in scenes)
    (lost,), gained = first - second, second - first
    assert counted(scenes[0], lost.name) == 1, "the name fits two things"
    if "missing" in text:
        assert not gained
        return lost.name
    (new,) = gained
    if "another colour" in text:
        assert new[1:] == lost[1:]
        assert new.name.split()[1] == lost.name.split()[1]
        assert new.name.split()[0] != lost.name.split()[0]
    else:
        assert new.name == lost.name
        assert math.dist(new[1:3], lost[1:3]) > lost.half, "hardly moved"
    return lost.name


RULES = (between, relation, nearest, beside, place, point, count, exist, smallest, more, holder, same, difference)  # fmt: skip


def solve(text: str, scenes: list[dict[str, Any]]) -> str:
    """The one answer."""
    found = [answer for rule in RULES if (answer := rule(text, scenes)) is not None]
    assert len(found) == 1, f"{text!r} reads as {len(found)} questions"
    return found[0]
