"""Drawing commands, as a program in the sandbox puts them out, checked and painted. Nothing in them is trusted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
from PIL import Image, ImageColor, ImageDraw

from ratchet.verify.environments.likeness import Pixels

MOST_COMMANDS, MOST_POINTS = 2000, 500
FINE = 4
"""Each pixel is the mean of so many by so many."""
_LENGTHS = {"background": 1, "rectangle": 5, "ellipse": 5, "polygon": 2, "line": 6}


class BadDrawing(Exception):
    """The commands are not what a canvas writes; the text says why."""


def painted(output: bytes, width: int, height: int) -> Pixels:
    """The picture that commands (JSON) paint on black, rows x columns x RGB. Raises BadDrawing."""
    try:
        commands = orjson.loads(output)
    except orjson.JSONDecodeError as error:
        raise BadDrawing(f"the commands are no JSON: {error}") from error
    if not isinstance(commands, list) or len(commands) > MOST_COMMANDS:
        raise BadDrawing(f"a list of at most {MOST_COMMANDS} commands is needed")
    sheet = Image.new("RGB", (width * FINE, height * FINE))
    pen = ImageDraw.Draw(sheet)
    for command in commands:
        _paint(pen, command, sheet.size)
    return np.asarray(sheet.resize((width, height), Image.Resampling.BOX))


def _paint(pen: ImageDraw.ImageDraw, command: Any, size: tuple[int, int]) -> None:
    name = command[0] if isinstance(command, list) and command and isinstance(command[0], str) else None
    if name is None or _LENGTHS.get(name) != len(command) - 1:
        raise BadDrawing(f"no command: {str(command)[:80]}")
    colour = _colour(command[-1])
    if name == "background":
        pen.rectangle((0, 0, *size), fill=colour)
    elif name == "polygon":
        if not isinstance(command[1], list) or not 2 <= len(command[1]) <= MOST_POINTS:
            raise BadDrawing(f"a polygon has 2 to {MOST_POINTS} points")
        pen.polygon([_point(point, size) for point in command[1]], fill=colour)
    elif name == "line":
        x0, y0, x1, y1, width = (_number(one, size) for one in command[1:-1])
        pen.line((x0, y0, x1, y1), fill=colour, width=min(max(1, round(width)), max(size)))
    else:
        _box(pen, name, [_number(one, size) for one in command[1:-1]], colour)


def _box(pen: ImageDraw.ImageDraw, name: str, edges: list[float], colour: tuple[int, int, int]) -> None:
    (left, right), (top, bottom) = sorted(edges[::2]), sorted(edges[1::2])
    if right - left >= 1 and bottom - top >= 1:  # less than a fine pixel is nothing
        paint = pen.ellipse if name == "ellipse" else pen.rectangle
        paint((left, top, right - 1, bottom - 1), fill=colour)


def _point(given: Any, size: tuple[int, int]) -> tuple[float, float]:
    if not isinstance(given, list) or len(given) != 2:
        raise BadDrawing(f"no point: {str(given)[:80]}")
    return _number(given[0], size), _number(given[1], size)


def _number(given: Any, size: tuple[int, int]) -> float:
    """A coordinate in fine pixels. What lies far outside of the sheet is moved to where it cannot be seen either."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise BadDrawing(f"no number: {str(given)[:80]}")
    far = 4.0 * max(size)
    return float(min(max(given * FINE, -far), far))


def _colour(given: Any) -> tuple[int, int, int]:
    if isinstance(given, str) and len(given) <= 32:
        try:
            return ImageColor.getrgb(given)[:3]
        except ValueError as error:
            raise BadDrawing(f"no colour: {given!r}") from error
    if isinstance(given, list) and len(given) == 3 and all(type(one) is int and 0 <= one <= 255 for one in given):
        return given[0], given[1], given[2]
    raise BadDrawing(f"no colour: {str(given)[:80]}")
