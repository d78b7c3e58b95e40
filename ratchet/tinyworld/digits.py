"""Real handwriting: the digits 0 to 5 of scikit-learn's copy of the UCI optical digits.

Samples lie in the file in the order they were collected, so contiguous parts hold mostly different writers. Each split
draws from a part of its own: nobody trains on the handwriting that the gate and the report read.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ratchet.errors import PromptSetError

LICENCE = "CC-BY-4.0 (UCI Optical Recognition of Handwritten Digits, doi:10.24432/C50P49, as shipped by scikit-learn)"
LARGEST = 5
PARTS: dict[str, tuple[int, int]] = {
    "labels": (0, 900),
    "pool": (900, 1300),
    "validation": (1300, 1460),
    "holdout": (1460, 1630),
    "report": (1630, 1797),
}
"""Sample numbers [first, last) of each split's handwriting."""


@cache
def _table() -> npt.NDArray[np.int64]:
    """All 1,797 samples: 64 grey values 0 to 16, then the digit."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise PromptSetError("the tiny world draws scikit-learn's digits and scikit-learn is absent: install it")
    # Its data file read directly takes 10 ms; importing sklearn.datasets takes seconds.
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    if path.exists():
        return np.loadtxt(path, delimiter=",", dtype=np.int64)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target]).astype(np.int64)


@cache
def samples_of(split: str) -> tuple[tuple[int, ...], ...]:
    """For each digit 0 to 5, the sample numbers that `split` may draw."""
    first, last = PARTS[split]
    labels = _table()[first:last, 64]
    return tuple(tuple(int(i) + first for i in np.flatnonzero(labels == digit)) for digit in range(LARGEST + 1))


def digit_of(sample: int) -> int:
    """The digit that sample number `sample` shows."""
    return int(_table()[sample, 64])


@cache
def mask(sample: int, size: int) -> npt.NDArray[np.int32]:
    """The sample as opacity 0 to 255, `size` x `size`: bilinear, in whole numbers so that no platform rounds apart."""
    weights = np.zeros((size, 8), dtype=np.int64)
    for row in range(size):
        # Centre of pixel `row` in 1/(2 size) steps of the 8-pixel source, clamped to its outer pixel centres.
        centre = min(max((2 * row + 1) * 8 - size, 0), 7 * 2 * size)
        low, rest = divmod(centre, 2 * size)
        weights[row, low] += 2 * size - rest
        if rest:
            weights[row, low + 1] += rest
    grey = _table()[sample, :64].reshape(8, 8)
    return np.asarray(weights @ grey @ weights.T * 255 // (16 * 4 * size * size), dtype=np.int32)
