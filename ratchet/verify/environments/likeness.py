"""How much a drawing is like a picture, from 0 (nothing of it, or a blank sheet) to 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NOISE = 16
"""Levels of 255 that two pixels may differ by without being different."""
Pixels = npt.NDArray[np.uint8]


def likeness(drawn: Pixels, picture: Pixels) -> float:
    """1 less the Bray-Curtis dissimilarity of what stands out from the picture's background (its median colour).

    Both rows x columns x RGB, of one size. The blank background scores 0, and so does what has nothing in common with the
    picture; what is drawn too much counts like what is missing. Two blank sheets are alike: 1.
    """
    ours, truth = drawn.astype(np.int16), picture.astype(np.int16)
    ground = np.median(truth.reshape(-1, 3), axis=0).astype(np.int16)
    whole = _apart(ours, ground) + _apart(truth, ground)
    if whole == 0:
        return 1.0
    return max(0.0, 1 - _apart(ours, truth) / whole)


def _apart(one: npt.NDArray[np.int16], other: npt.NDArray[np.int16]) -> int:
    return int(np.maximum(np.abs(one - other) - NOISE, 0).sum(dtype=np.int64))
