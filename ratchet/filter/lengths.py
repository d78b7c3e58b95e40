"""The mean lengths of winners and losers over the whole set, so that length does not become the preference (RLAIF-V)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Lengths = npt.NDArray[np.int64]


def balanced(chosen: Lengths, rejected: Lengths, keys: npt.NDArray[np.uint64], ratio: float) -> npt.NDArray[np.bool_]:
    """Which pairs stay, so that neither mean length is more than `ratio` times the other; lengths in tokens.

    That the chosen are not too long says that the sum of `chosen - ratio * rejected` is at most 0, so dropping the pairs with
    the largest such difference first drops the fewest. Ties are drawn by `keys`. None stay where no choice would do.
    """
    kept = np.ones(chosen.size, dtype=bool)
    while kept.any():
        long, short = int(chosen[kept].sum()), int(rejected[kept].sum())
        if long > ratio * short:
            _drop(kept, chosen - ratio * rejected, keys)
        elif short > ratio * long:
            _drop(kept, rejected - ratio * chosen, keys)
        else:
            break
    return kept


def _drop(kept: npt.NDArray[np.bool_], excess: Any, keys: npt.NDArray[np.uint64]) -> None:
    """Drop the pairs with the largest excess until its sum is at most 0."""
    alive = np.flatnonzero(kept)
    order = alive[np.lexsort((keys[alive], -excess[alive]))]
    left = excess[order].sum() - np.cumsum(excess[order])
    enough = np.flatnonzero(left <= 0)
    kept[order[: int(enough[0]) + 1 if enough.size else order.size]] = False
