"""Which hashes seen before lie within n bits, under the same question: near-linear in the number of rows.

Up to SCANNED entries a question's hashes are compared all at once. Beyond, they are looked up by bands (Norouzi et al.
2012): of four bands of 16 bits, one differs in at most n // 4, so only entries that share such a band are compared. With
n above 11 that takes thousands of look-ups a row, and comparing them all is no slower for a million entries.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import combinations

import numpy as np

SCANNED = 4096
BANDS = 4
BAND_BITS = 16
MOST_BANDED = 11


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
    """The entries under one key, `width` hashes each, flat in one array."""

    __slots__ = ("_bands", "bits", "flat", "width")

    def __init__(self, bits: int, width: int) -> None:
        self.bits = bits
        self.width = width
        self.flat = array("Q")
        self._bands: dict[int, array[int]] | None = None

    def add(self, hashes: Sequence[int]) -> None:
        self.flat.extend(hashes)
        count = len(self.flat) // self.width
        if self._bands is not None:
            self._file(count - 1, hashes[0])
        elif count > SCANNED and self.bits <= MOST_BANDED:
            self._bands = {}
            for number in range(count):
                self._file(number, self.flat[number * self.width])

    def has(self, hashes: Sequence[int]) -> bool:
        if self._bands is None:
            return self._scan(hashes)
        flat, width, bits = self.flat, self.width, self.bits
        for band, value in enumerate(_bands_of(hashes[0])):
            for mask in _MASKS[bits // BANDS]:
                for number in self._bands.get(band << BAND_BITS | value ^ mask, ()):
                    start = number * width
                    if all((flat[start + i] ^ one).bit_count() <= bits for i, one in enumerate(hashes)):
                        return True
        return False

    def _scan(self, hashes: Sequence[int]) -> bool:
        entries = np.frombuffer(self.flat, dtype=np.uint64).reshape(-1, self.width)
        apart = np.bitwise_count(entries ^ np.array(hashes, dtype=np.uint64))
        return bool((apart <= self.bits).all(axis=1).any())

    def _file(self, number: int, first: int) -> None:
        assert self._bands is not None
        for band, value in enumerate(_bands_of(first)):
            self._bands.setdefault(band << BAND_BITS | value, array("I")).append(number)


def _bands_of(value: int) -> list[int]:
    """Every fourth bit makes a band: neighbouring frequencies go together, and would make crowded bands."""
    digits = f"{value:064b}"
    return [int(digits[band::BANDS], 2) for band in range(BANDS)]


def _masks(most: int) -> tuple[int, ...]:
    """Numbers of BAND_BITS bits with at most `most` ones."""
    places = range(BAND_BITS)
    return tuple(sum(1 << p for p in chosen) for n in range(most + 1) for chosen in combinations(places, n))


_MASKS = tuple(_masks(n) for n in range(MOST_BANDED // BANDS + 1))
