"""The tiny world's drawing words: "red circle top left , blue square middle center".

The words leave size, exact place and tint open, as the world itself draws them at random: a sketch is painted as well as
what it says allows, so that it is like the picture where the words are right, and not where one is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from ratchet.tinyworld import draw
from ratchet.tinyworld.questions import NOTHING, name, place
from ratchet.tinyworld.scene import CELLS, KINDS, Kind, Scene

ASK = "describe it in detail , what and where ."
"""The question, in words of the seed's vocabulary."""
Sketch = tuple[tuple[Kind, int], ...]
"""Kinds and cells, in order of the cells."""
_WORDS = {f"{name(kind)} {place(cell)}": (kind, cell) for kind in KINDS for cell in range(CELLS)}
_DARK = 84
"""Background and noise stay below this in every channel, ink does not."""
_TINT = 20
_REMEMBERED = 1024
Pixels = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.int32]


def program(scene: Scene) -> str:
    """The words that draw a scene's shapes, in reading order. Digits have no words."""
    cells = [(cell, thing) for cell, thing in enumerate(scene.cells) if thing is not None]
    return " , ".join(f"{name(thing.kind)} {place(cell)}" for cell, thing in cells) or NOTHING


def read(text: str) -> Iterator[Sketch]:
    """What a normalised text draws: things in places, none twice. Nothing where any part of it is something else."""
    if text == NOTHING:
        yield ()
        return
    if len(text) > 40 * CELLS:
        return
    things = [_WORDS.get(" ".join(part.split())) for part in text.split(",")]
    found = sorted((one for one in things if one is not None), key=lambda one: one[1])
    if len(found) == len(things) == len({cell for _, cell in found}):
        yield tuple(found)


def painted(sketch: Sketch, picture: Pixels) -> Pixels:
    """The sketch, 48 x 48 x RGB, each thing with the size, place and tint that come nearest to the picture's."""
    truth = fitted(picture).astype(np.int32)
    dark = truth[truth.max(axis=2) < _DARK]
    shade = int(np.median(dark)) if dark.size else 0
    canvas = np.full_like(truth, shade)
    for kind, cell in sketch:
        top, left = cell // 3 * draw.CELL, cell % 3 * draw.CELL
        there = slice(top, top + draw.CELL), slice(left, left + draw.CELL)
        canvas[there] = _thing(kind, truth[there].tobytes(), shade)
    return canvas.clip(0, 255).astype(np.uint8)


def fitted(picture: Pixels) -> Pixels:
    """The picture in the world's size."""
    if picture.shape[:2] == (draw.SIDE, draw.SIDE):
        return picture
    return np.asarray(Image.fromarray(picture).resize((draw.SIDE, draw.SIDE), Image.Resampling.BOX))


@lru_cache(maxsize=_REMEMBERED)
def _thing(kind: Kind, pixels: bytes, shade: int) -> Whole:
    """A cell with the thing where it fits best: all sizes and places are tried. Answers to one picture mostly repeat it."""
    truth = np.frombuffer(pixels, np.int32).reshape(draw.CELL, draw.CELL, 3)
    fits = [_fit(mask, kind[0], truth, shade) for mask in draw.masks(kind[1])]
    _, row, column, thing = min(fits, key=lambda fit: fit[0])
    cell = np.full_like(truth, shade)
    cell[row : row + len(thing), column : column + len(thing)] = thing
    return cell


def _fit(mask: Whole, colour: str, truth: Whole, shade: int) -> tuple[int, int, int, Whole]:
    """Error, row, column and paint of the best place for one size."""
    size = len(mask)
    windows = np.lib.stride_tricks.sliding_window_view(truth, (size, size, 3))[:, :, 0]
    ink = _inks(colour, windows, mask)
    paint = shade + (ink[:, :, None, None, :] - shade) * mask[:, :, None] // 255
    # What is painted over is no longer missed; the rest of the cell is the same for every place.
    error = np.abs(windows - paint).sum(axis=(2, 3, 4)) - np.abs(windows - shade).sum(axis=(2, 3, 4))
    row, column = divmod(int(error.argmin()), error.shape[1])
    return int(error[row, column]), row, column, paint[row, column]


def _inks(colour: str, windows: Whole, mask: Whole) -> Whole:
    """The colour with the tint that each window asks for, as far as the world tints."""
    inside = mask == 255
    ink = np.array(draw.INK[colour], dtype=np.int32)
    tint = (windows[:, :, inside] - ink).mean(axis=(2, 3)).round().clip(-_TINT, _TINT).astype(np.int32)
    return np.asarray(ink + tint[:, :, None])
