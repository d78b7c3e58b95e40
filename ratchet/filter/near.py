"""Which hashes seen before lie within n bits, under the same question: near-linear in the number of rows.

Up to SCANNED entries a question's hashes are compared all at once. Beyond, they are filed by bands: of n + 1 bands of bits
two hashes within n bits share at least one, so only entries that share a band are compared. With n above MOST_BANDED the
bands are too narrow to save anything.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

SCANNED = 4096
MOST_BANDED = 11
_HASH_BITS = 64


class NearIndex:
    """Entries of one or more 64-bit hashes by key. `key` is any number that says which entries may match at all."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._places: dict[int, _Place] = {}

    def add(self, key: int, hashes: Sequence[int]) -> None:
        """Remember an entry. Entries under one key all have the same number of hashes."""
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(self.bits, len(hashes))
        place.add(hashes)

    def has(self, key: int, hashes: Sequence[int]) -> bool:
        """Whether an entry under `key` has each of its hashes within `bits` of the given ones, in order."""
        place = self._places.get(key)
        return place is not None and place.has(hashes)


class _Place:
    """The entries under one key, `width` hashes each: flat in one array, or in one array for each value of each band."""

    __slots__ = ("_bands", "bits", "flat", "width")

    def __init__(self, bits: int, width: int) -> None:
        self.bits = bits
        self.width = width
        self.flat = array("Q")
        self._bands: list[dict[int, array[int]]] | None = None

    def add(self, hashes: Sequence[int]) -> None:
        if self._bands is not None:
            self._file(hashes, self._bands)
            return
        self.flat.extend(hashes)
        if len(self.flat) > SCANNED * self.width and self.bits <= MOST_BANDED:
            self._bands = [{} for _ in range(self.bits + 1)]
            for start in range(0, len(self.flat), self.width):
                self._file(self.flat[start : start + self.width], self._bands)
            self.flat = array("Q")

    def has(self, hashes: Sequence[int]) -> bool:
        if self._bands is None:
            return self._any_near(self.flat, hashes)
        values = self._values(hashes[0])
        shared = (entries.get(value) for entries, value in zip(self._bands, values, strict=True))
        return any(self._any_near(entries, hashes) for entries in shared if entries is not None)

    def _any_near(self, entries: array[int], hashes: Sequence[int]) -> bool:
        rows = np.frombuffer(entries, dtype=np.uint64).reshape(-1, self.width)
        apart = np.bitwise_count(rows ^ np.array(hashes, dtype=np.uint64))
        return bool((apart <= self.bits).all(axis=1).any())

    def _file(self, hashes: Sequence[int], bands: list[dict[int, array[int]]]) -> None:
        for entries, value in zip(bands, self._values(hashes[0]), strict=True):
            entries.setdefault(value, array("Q")).extend(hashes)

    def _values(self, first: int) -> list[int]:
        """The bands of a hash. Bits far apart make a band: neighbouring frequencies go together, and would crowd some."""
        digits, step = f"{first:0{_HASH_BITS}b}", self.bits + 1
        return [int(digits[band::step], 2) for band in range(step)]
