"""What runs inside the sandbox, once it is locked: a program's text in, what it drew out.

Read by `warm.py`, which runs without site-packages: nothing of ratchet is imported here. A program may do what it likes to
this process, also break or forge what it puts out: that is only its own drawing, and is read with distrust outside.
"""

from __future__ import annotations

import os
import sys
from typing import Any

RAISED, MEMORY, TOO_LARGE = 10, 11, 12
"""Exit codes: the program raised, it asked for too much memory, it printed too much. Whoever forges one fails only itself."""
_PRINTED = 65_536
_SHOWN = 200
_NO_FILE = "\ud800"
"""The program's file name: one that cannot be encoded, for Python looks into the file that a wrong line comes from."""


def run(language: str, width: int, height: int, max_bytes: int) -> None:
    """Run the program on standard input, write what it drew to standard output, and end the process."""
    dump, leave = _dump, os._exit  # programs may replace anything they can name
    sys.stdout = sys.stderr = Printed()
    try:
        dump(_RUN[language](_text(), width, height), max_bytes)
    except MemoryError:
        leave(MEMORY)
    except BaseException as error:
        try:
            dump(f"{type(error).__name__}: {error}"[:_SHOWN].encode(errors="replace"), max_bytes)
        finally:
            leave(RAISED)
    leave(0)


def warm_up() -> None:
    """Import and run everything once, so that locked processes need no file."""
    import cmath  # noqa: F401
    import collections  # noqa: F401
    import colorsys  # noqa: F401
    import functools  # noqa: F401
    import itertools  # noqa: F401
    import json
    import math  # noqa: F401
    import random
    import traceback  # noqa: F401

    json.dumps([random.random()])
    _python("canvas.rectangle(0, 0, 1, 1, 'red')", 8, 8)
    _svg("<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'><rect width='4' height='4'/></svg>", 8, 8)
    sys.path.clear()


def _text() -> str:
    parts = []
    while part := os.read(0, 65_536):
        parts.append(part)
    return b"".join(parts).decode()


def _dump(body: bytes, max_bytes: int) -> None:
    if len(body) > max_bytes:
        os._exit(TOO_LARGE)
    while body:
        body = body[os.write(1, body) :]


class Printed:
    """Takes what a program prints and forgets it: standard output is for the drawing. Too much of it ends the program."""

    left = _PRINTED

    def write(self, text: str) -> int:
        self.left -= len(text)
        if self.left < 0:
            os._exit(TOO_LARGE)
        return len(text)

    def flush(self) -> None:
        pass


class Canvas:
    """What a program draws on: pixels, (0, 0) at the top left. A colour is a name or (red, green, blue), 0 to 255."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.commands: list[list[Any]] = []

    def background(self, colour: Any) -> None:
        self.commands.append(["background", colour])

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: Any) -> None:
        self.commands.append(["rectangle", x0, y0, x1, y1, colour])

    def circle(self, x: float, y: float, radius: float, colour: Any) -> None:
        self.commands.append(["ellipse", x - radius, y - radius, x + radius, y + radius, colour])

    def ellipse(self, x0: float, y0: float, x1: float, y1: float, colour: Any) -> None:
        self.commands.append(["ellipse", x0, y0, x1, y1, colour])

    def polygon(self, points: Any, colour: Any) -> None:
        self.commands.append(["polygon", [list(point) for point in points], colour])

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Any, width: float = 1) -> None:
        self.commands.append(["line", x0, y0, x1, y1, width, colour])


def _python(program: str, width: int, height: int) -> bytes:
    import json
    import random

    random.seed(0)  # a fork draws a new seed, and a program must draw the same every time
    canvas, dumps = Canvas(width, height), json.dumps
    exec(compile(program, _NO_FILE, "exec"), {"__name__": "__main__", "canvas": canvas})
    return dumps(canvas.commands).encode()


def _svg(program: str, width: int, height: int) -> bytes:
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=program, width=width, height=height, skip_system_fonts=True))


_RUN = {"python": _python, "svg": _svg}
