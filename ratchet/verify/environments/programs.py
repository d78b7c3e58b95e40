"""Programs that draw: how an answer is read as one, and what comes of it when it is run."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from ratchet.verify import text as texts
from ratchet.verify.environments.canvas import BadDrawing, painted
from ratchet.verify.environments.likeness import Pixels
from ratchet.verify.sandbox import Limits, Outcome, Sandbox

LONGEST = 20_000
"""Characters of a program, at most."""
WORDS = "words"
BAD_DRAWING, TOO_LONG = "bad_drawing", "too_long"
_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)


class Drawn(NamedTuple):
    """The drawing, rows x columns x RGB, or the reason (slug) why there is none. `unscored`: nobody's fault."""

    pixels: Pixels | None
    reason: str
    detail: str | None = None
    unscored: bool = False


def programs(language: str, answer: str) -> Iterator[str]:
    """The programs that a part of an answer holds: what stands in code fences, or else all of it."""
    if language == WORDS:
        from ratchet.tinyworld import sketch

        plain = texts.normalise(answer[:LONGEST])
        if any(True for _ in sketch.read(plain)):
            yield plain
        return
    for body in _FENCE.findall(answer) or [answer]:
        program = body.strip()
        if program and (language != "svg" or program.startswith(("<svg", "<?xml"))):
            yield program


def run(language: str, program: str, picture: Pixels, sandbox: Sandbox) -> Drawn:
    """What a program draws on a sheet of the picture's size.

    Words are painted here, by an interpreter that can do nothing else. Everything else runs in the sandbox; raises
    VerifierUnavailable where that cannot be set up.
    """
    if len(program) > LONGEST:
        return Drawn(None, TOO_LONG, f"{len(program)} characters; at most {LONGEST}")
    if language == WORDS:
        from ratchet.tinyworld import sketch

        return Drawn(sketch.painted(next(sketch.read(program)), picture), "ok")
    height, width = picture.shape[:2]
    outcome = sandbox.run(language, program, width, height)
    if outcome.reason != "ok":
        return Drawn(None, outcome.reason, outcome.detail, outcome.unscored)
    try:
        return Drawn(_pixels(language, outcome, width, height), "ok")
    except BadDrawing as bad:
        return Drawn(None, BAD_DRAWING, str(bad))


def _pixels(language: str, outcome: Outcome, width: int, height: int) -> Pixels:
    return painted(outcome.output, width, height) if language == "python" else _png(outcome.output, width, height)


def _png(output: bytes, width: int, height: int) -> Pixels:
    """A PNG of at most the sheet's size, laid on black. Raises BadDrawing."""
    try:
        with Image.open(io.BytesIO(output), formats=["PNG"]) as image:
            if image.width > width or image.height > height:
                raise BadDrawing(f"{image.width}x{image.height} pixels on a sheet of {width}x{height}")
            drawing = image.convert("RGBA")
    except BadDrawing:
        raise
    except Exception as error:  # on forged bytes Pillow's parser raises nearly anything
        raise BadDrawing(f"no PNG: {type(error).__name__}") from error
    sheet = Image.new("RGBA", (width, height), (0, 0, 0, 255))
    sheet.alpha_composite(drawing)
    return np.asarray(sheet.convert("RGB"))


def sandbox_of(cpu_seconds: int, memory_mib: int) -> Sandbox:
    return Sandbox(Limits(cpu_seconds=cpu_seconds, memory_bytes=memory_mib << 20))
