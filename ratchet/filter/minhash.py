"""Near duplicates among many sets of shingles: MinHash signatures in sorted bands (Broder 1997; Indyk and Motwani 1998).

Sets that agree in one band of their signatures are compared by their true Jaccard similarity, so no pair that is less
similar is ever called a duplicate; the bands are chosen so that of pairs just at the threshold 99 in 100 are met. Memory is
4 bytes a shingle, and 12 to 16 a band and set while bands are sorted one by one; time is near-linear, since only sets that
share a band are looked at, each with at most MOST_MET kept ones a band.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ratchet.filter.shingles import Hashes, jaccard, mixed

PERMUTATIONS = 64
MOST_MET = 64
RECALL = 0.99
_CHUNK = 1 << 14
_NONE = np.uint32(0xFFFFFFFF)


def rows_per_band(similarity: float) -> int:
    """The most signature rows a band may have for RECALL of pairs at `similarity` to share one of PERMUTATIONS // rows bands."""
    met = (r for r in range(PERMUTATIONS, 0, -1) if 1 - (1 - similarity**r) ** (PERMUTATIONS // r) >= RECALL)
    return next(met, 1)


class TextIndex:
    """Sets by number, in the order in which they come. `scope` is a number: only sets of one scope are compared."""

    def __init__(self, similarity: float) -> None:
        self._similarity = similarity
        self._rows = rows_per_band(similarity)
        self._hashes = array("I")
        self._ends = array("Q", [0])
        self._scopes = array("Q")

    def add(self, sets: Sequence[Hashes], scopes: Sequence[int]) -> None:
        for one in sets:
            self._hashes.frombytes(one.astype(np.uint32).tobytes())
            self._ends.append(len(self._hashes))
        self._scopes.extend(scopes)

    def duplicates(self) -> npt.NDArray[np.bool_]:
        """For each set whether it is near an earlier one that is itself no duplicate."""
        found = np.zeros(len(self._scopes), dtype=bool)
        bands = (self._buckets(band) for band in range(PERMUTATIONS // self._rows))
        buckets = [one for one in bands if one is not None]
        if not buckets:
            return found
        colliding = np.zeros(found.size, dtype=bool)
        for of, _ in buckets:
            colliding |= of != _NONE
        # Kept sets of each bucket as linked lists through the sets, newest first.
        heads = [np.full(number, _NONE, dtype=np.uint32) for _, number in buckets]
        nexts = [np.full(found.size, _NONE, dtype=np.uint32) for _ in buckets]
        for row in np.flatnonzero(colliding).tolist():
            places = [(band, int(of[row])) for band, (of, _) in enumerate(buckets) if of[row] != _NONE]
            if self._near_kept(row, [(heads[band], nexts[band], bucket) for band, bucket in places]):
                found[row] = True
                continue
            for band, bucket in places:
                nexts[band][row] = heads[band][bucket]
                heads[band][bucket] = row
        return found

    def _near_kept(self, row: int, lists: Sequence[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], int]]) -> bool:
        own, seen = self._set(row), set()
        for head, following, bucket in lists:
            other = int(head[bucket])
            for _ in range(MOST_MET):
                if other == _NONE:
                    break
                if other not in seen and jaccard(own, self._set(other)) >= self._similarity:
                    return True
                seen.add(other)
                other = int(following[other])
        return False

    def _set(self, row: int) -> Hashes:
        start, end = self._ends[row], self._ends[row + 1]
        return np.frombuffer(self._hashes, dtype=np.uint32, count=end - start, offset=4 * start)

    def _buckets(self, band: int) -> tuple[npt.NDArray[np.uint32], int] | None:
        """For each set the number of its bucket in the band, none where it is alone in it; and how many there are."""
        keys = self._keys(band)
        _, bucket, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        shared = sizes > 1
        if not shared.any():
            return None
        numbers = np.where(shared, np.cumsum(shared) - 1, _NONE).astype(np.uint32)
        return numbers[bucket], int(shared.sum())

    def _keys(self, band: int) -> npt.NDArray[np.uint64]:
        """One number for each set's scope and its signature in the band."""
        keys = mixed(np.frombuffer(self._scopes, dtype=np.uint64).copy())
        hashes, ends = np.frombuffer(self._hashes, dtype=np.uint32), np.frombuffer(self._ends, dtype=np.uint64)
        for start in range(0, keys.size, _CHUNK):
            bounds = ends[start : start + _CHUNK + 1].astype(np.int64)
            part = hashes[bounds[0] : bounds[-1]].astype(np.uint64)
            for row in range(band * self._rows, (band + 1) * self._rows):
                least = np.minimum.reduceat(mixed(part ^ _seed(row)), bounds[:-1] - bounds[0])
                keys[start : start + _CHUNK] = mixed(keys[start : start + _CHUNK] ^ least)
        return keys


def _seed(row: int) -> np.uint64:
    return np.uint64(mixed(np.array([row + 1], dtype=np.uint64) << np.uint64(32))[0])
