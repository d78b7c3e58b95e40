"""Texts as sets of shingles: every run of n characters of a normalised text, as a 32-bit hash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint32]

MOST_SHINGLES = 128
"""Of longer texts the lowest so many hashes are kept: a bottom-k sketch (Cohen and Kaplan 2007)."""
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_BASE = np.uint64(0x9E3779B97F4A7C15)


def shingle_sets(texts: Sequence[str], n: int) -> list[Hashes]:
    """For each text its distinct shingles' hashes, ascending, at most MOST_SHINGLES. A shorter text is one shingle."""
    codes = [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32) for text in texts]
    lengths = np.array([one.size for one in codes], dtype=np.int64)
    # A gap of n zeros between texts, so that every text is followed by enough to read a whole shingle from any place.
    gap = np.zeros(n, dtype=np.uint32)
    joined = np.concatenate([part for one in codes for part in (one, gap)] or [gap]).astype(np.uint64)
    rolled = _rolled(joined, n)
    starts = np.cumsum(np.concatenate([[0], lengths[:-1] + n])) if len(texts) else lengths
    counts = np.maximum(lengths - n + 1, 1)
    return [_lowest(rolled[start : start + count]) for start, count in zip(starts, counts, strict=True)]


def jaccard(one: Hashes, other: Hashes) -> float:
    """Size of the intersection over that of the union; estimated from the lowest hashes where a set was cut."""
    a, b = set(one.tolist()), set(other.tolist())
    if max(len(a), len(b)) < MOST_SHINGLES:
        return len(a & b) / len(a | b)
    union = sorted(a | b)[:MOST_SHINGLES]
    return sum(h in a and h in b for h in union) / len(union)


def mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Each number as another one that looks random (splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))


def _rolled(codes: npt.NDArray[np.uint64], n: int) -> Hashes:
    """At every place the hash of the n characters from there on."""
    places = max(codes.size - n + 1, 0)
    total = np.zeros(places, dtype=np.uint64)
    for step in range(n):
        total = total * _BASE + codes[step : step + places] + np.uint64(1)
    return (mixed(total) >> np.uint64(32)).astype(np.uint32)


def _lowest(hashes: Hashes) -> Hashes:
    return np.unique(hashes)[:MOST_SHINGLES]
