"""Exact transforms of pictures, the words that name them, and back.

| kind     | what it does                                          | an answer          |
|----------|-------------------------------------------------------|--------------------|
| rotate   | a turn by quarter turns, clockwise                    | 90, 180, 270, 0    |
| flip     | mirrored                                              | left right         |
| channels | two colour channels exchanged                         | red blue           |
| crop     | one cell of the lattice of 3 x 3 cut out              | top left           |
| tiles    | the four quarters in another order                    | 2 4 1 3            |

Tiles count 1 2 above and 3 4 below; the answer names, for each place in that order, the quarter that lies there now.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from ratchet.verify import text as texts

Pixels = npt.NDArray[np.uint8]

_TURNS = ("0", "90", "180", "270")
_MIRRORS = ("left right", "top bottom", "none")
_CHANNELS = ("red", "green", "blue")
_SWAPS = tuple(" ".join(two) for two in itertools.combinations(_CHANNELS, 2))
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "center", "right")
_PLACES = tuple(f"{row} {column}" for row in _ROWS for column in _COLUMNS)
_ORDERS = tuple(" ".join(order) for order in itertools.permutations("1234"))
ANSWERS: dict[str, tuple[str, ...]] = {
    "rotate": _TURNS,
    "flip": _MIRRORS,
    "channels": (*_SWAPS, "none"),
    "crop": _PLACES,
    "tiles": _ORDERS,
}
"""Every answer of each kind, as `done` and references write it."""
SINGLE = ("rotate", "flip", "channels", "tiles")
"""Kinds that can be undone, so that the picture that was made says enough when it is shown alone."""
_DEGREES = re.compile(r"(\d+)(?: ?(?:°|degrees?))?(?: clockwise)?")
_OTHER_WORDS = {
    "horizontal": "left right",
    "vertical": "top bottom",
    "horizontally": "left right",
    "vertically": "top bottom",
}
_SYNONYMS = {"upper": "top", "lower": "bottom", "centre": "center"}


def readings(kind: str, text: str) -> Iterator[str]:
    """The answers that a text gives, in the form of ANSWERS; nothing where it is none."""
    plain = texts.normalise(text)
    if kind == "rotate":
        match = _DEGREES.fullmatch(plain)
        plain = match[1] if match else plain
    elif kind == "flip":
        plain = _OTHER_WORDS.get(plain, plain)
    words = [_SYNONYMS.get(word, word) for word in re.split(r"[\s,/-]+(?:and )?", plain) if word]
    if kind == "channels":
        words.sort(key=lambda word: _CHANNELS.index(word) if word in _CHANNELS else -1)
    elif kind == "tiles" and len(words) == 1:
        words = [*words[0]]
    found = " ".join(words)
    if found in ANSWERS[kind]:
        yield found


def applied(kind: str, answer: str, picture: Pixels) -> Pixels:
    """The picture with the transform done. Tiles and crops leave out the last row or column that does not divide."""
    return _APPLY[kind](picture, answer)


def undone(kind: str, answer: str, picture: Pixels) -> Pixels:
    """What `applied` was given, for a kind of SINGLE."""
    if kind == "rotate":
        answer = str(-int(answer) % 360)
    elif kind == "tiles":
        order = [int(one) for one in answer.split()]
        answer = " ".join(str(order.index(place) + 1) for place in (1, 2, 3, 4))
    return applied(kind, answer, picture)


def fitting(kind: str, picture: Pixels) -> Pixels:
    """As much of the picture as the kind can work on: sides that divide, from the top left."""
    parts = {"tiles": 2, "crop": 3}.get(kind, 1)
    height, width = (side - side % parts for side in picture.shape[:2])
    return picture[:height, :width]


def same(one: Pixels, other: Pixels) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def _rotate(picture: Pixels, answer: str) -> Pixels:
    return np.rot90(picture, -int(answer) // 90)


def _flip(picture: Pixels, answer: str) -> Pixels:
    return {"left right": picture[:, ::-1], "top bottom": picture[::-1], "none": picture}[answer]


def _swap(picture: Pixels, answer: str) -> Pixels:
    if answer == "none":
        return picture
    first, second = (_CHANNELS.index(one) for one in answer.split())
    order = [0, 1, 2]
    order[first], order[second] = second, first
    return picture[:, :, order]


def _crop(picture: Pixels, answer: str) -> Pixels:
    row, column = (names.index(one) for names, one in zip((_ROWS, _COLUMNS), answer.split(), strict=True))
    height, width = picture.shape[0] // 3, picture.shape[1] // 3
    return picture[row * height : (row + 1) * height, column * width : (column + 1) * width]


def _shuffle(picture: Pixels, answer: str) -> Pixels:
    picture = fitting("tiles", picture)
    quarters = [part for half in np.split(picture, 2) for part in np.split(half, 2, axis=1)]
    a, b, c, d = (quarters[int(one) - 1] for one in answer.split())
    return np.vstack([np.hstack([a, b]), np.hstack([c, d])])


_APPLY: dict[str, Callable[[Pixels, str], Pixels]] = {
    "rotate": _rotate,
    "flip": _flip,
    "channels": _swap,
    "crop": _crop,
    "tiles": _shuffle,
}
