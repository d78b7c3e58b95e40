"""A diverse choice of rows, by hashes whose distance (in bits) says how unlike two rows are.

k-centre greedy (Gonzalez 1985; Sener and Savarese 2018) takes the row that is farthest from all taken so far, again and again:
time is rows times `keep`. Clusters makes a few centres that way, gives every row to the nearest, and takes turns between the
clusters, by the hash that draws: time is rows times `clusters`.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ratchet.filter import reasons
from ratchet.filter.embedding import Vectors
from ratchet.filter.phash import Hashes
from ratchet.filter.shares import Codes
from ratchet.filter.shingles import mixed, shingle_sets
from ratchet.filter.vectors import PictureVectors
from ratchet.recipe import DiversityConfig
from ratchet.records import Prompt
from ratchet.verify.text import normalise

Words = npt.NDArray[np.uint64]
"""Hashes of rows: shape (rows, words of 64 bits)."""
SHINGLE = 5
_PLANES = 256
_BATCH = 1024


class Spread:
    """Hashes of the rows that nothing else dropped before: of question and kept answers, the first picture, or its vector."""

    def __init__(self, config: DiversityConfig, hashes: Hashes | None, vectors: PictureVectors | None) -> None:
        self._config, self._hashes, self._vectors = config, hashes, vectors
        self._rows, self._words = array("I"), array("Q")
        self._waiting: list[str] = []

    def add(self, row: int, prompt: Prompt, answers: Sequence[str]) -> None:
        if self._config.by == "embedding":
            return  # the vectors know the rows
        self._rows.append(row)
        if self._config.by == "text":
            self._waiting.append("\n".join(map(normalise, [prompt.question, *answers])))
            if len(self._waiting) == _BATCH:
                self._take()
        elif self._hashes is not None:
            self._words.append(self._hashes.of(prompt.images[0].sha256))

    def drop(self, codes: Codes, keys: npt.NDArray[np.uint64]) -> Codes:
        """Reason codes with all but `keep` diverse rows dropped. `codes` and `keys` are of the first rows that were added."""
        rows, words = self._hashed()
        alive = (rows < codes.size) & (codes[np.minimum(rows, codes.size - 1)] == 0)
        rows, words = rows[alive], words[alive]
        codes = codes.copy()
        codes[rows[~diverse(words, keys[rows], self._config)]] = reasons.CODES[reasons.NOT_DIVERSE]
        return codes

    def _hashed(self) -> tuple[npt.NDArray[np.uint32], Words]:
        if self._vectors is not None:
            return self._vectors.rows, signs(self._vectors.matrix())
        self._take()
        return np.frombuffer(self._rows, dtype=np.uint32), np.frombuffer(self._words, dtype=np.uint64).reshape(-1, 1)

    def _take(self) -> None:
        self._words.extend(simhash(one) for one in shingle_sets(self._waiting, SHINGLE))
        self._waiting.clear()


def diverse(words: Words, keys: npt.NDArray[np.uint64], config: DiversityConfig) -> npt.NDArray[np.bool_]:
    """Which rows stay: at most `keep`, all of them where there are no more. Ties go to the lowest key."""
    stays = np.ones(len(words), dtype=bool)
    if len(words) <= config.keep:
        return stays
    order = np.argsort(keys, kind="stable")
    centres, nearest = _traverse(words[order], config.keep if config.method == "k_center" else config.clusters)
    if config.method == "k_center":
        rank = np.full(len(words), len(centres), dtype=np.int64)
        rank[centres] = np.arange(len(centres))
    else:
        rank = _turns(nearest)
    stays[:] = False
    stays[order[np.argsort(rank, kind="stable")[: config.keep]]] = True
    return stays


def simhash(shingles: npt.NDArray[np.uint32]) -> int:
    """64 bits that differ in few places between sets that share much (Charikar 2002)."""
    bits = np.unpackbits(mixed(shingles.astype(np.uint64)).view(np.uint8)).reshape(-1, 64)
    return int.from_bytes(np.packbits(2 * bits.sum(axis=0, dtype=np.int64) > len(bits)).tobytes(), "big")


def signs(vectors: Vectors) -> Words:
    """On which side of 256 random planes each vector lies: the share of bits that differ is the angle over 180 degrees."""
    planes = np.random.default_rng(0).standard_normal((vectors.shape[1], _PLANES)).astype(np.float32)
    return np.packbits(vectors @ planes > 0, axis=1).view(np.uint64)


def _traverse(words: Words, most: int) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Farthest-first centres, from the first row on, and for each row the number of the nearest; at most `most`, all different."""
    apart = np.full(len(words), np.iinfo(np.int64).max)
    nearest = np.zeros(len(words), dtype=np.int64)
    centres: list[int] = []
    farthest = 0
    while len(centres) < most and apart[farthest] > 0:
        distance = np.bitwise_count(words ^ words[farthest]).sum(axis=1, dtype=np.int64)
        closer = distance < apart
        apart[closer], nearest[closer] = distance[closer], len(centres)
        centres.append(farthest)
        farthest = int(apart.argmax())
    return centres, nearest


def _turns(clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Each row's place in its cluster, so that sorting by it takes one of every cluster, then the next of every cluster."""
    order = np.argsort(clusters, kind="stable")
    firsts = np.searchsorted(clusters[order], clusters[order], side="left")
    places = np.empty(len(clusters), dtype=np.int64)
    places[order] = np.arange(len(clusters)) - firsts
    return places
