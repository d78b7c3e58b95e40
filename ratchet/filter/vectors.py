"""The rows' pictures as vectors, and which rows are near by the cosine between them (as SemDeDup does, Abbas et al. 2023)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ratchet.filter import reasons
from ratchet.filter.embedding import Embed, Vectors, unit
from ratchet.filter.fingerprints import key_of, question_sha256
from ratchet.filter.phash import Bank
from ratchet.filter.shares import Codes
from ratchet.recipe import EmbeddingDedupConfig
from ratchet.records import Prompt

MOST_COMPARED = 16_384
"""Rows that are all compared with each other; of more, those that share one of their two nearest of several centres."""
_BLOCK = 1024


class PictureVectors:
    """Rows by number, each the mean of its pictures' unit vectors. A picture is embedded once; 2 bytes a dimension are kept."""

    def __init__(self, embed: Embed, bank: Bank, batch: int) -> None:
        self._embed, self._bank, self._batch = embed, bank, batch
        self._places: dict[str, int] = {}
        self._waiting: list[str] = []
        self._blocks: list[npt.NDArray[np.float16]] = []
        self._rows, self._pictures, self._ends = array("I"), array("I"), array("Q", [0])

    def add(self, row: int, pictures: Sequence[str]) -> None:
        """`pictures` are SHA-256."""
        for sha256 in pictures:
            if sha256 not in self._places:
                self._places[sha256] = len(self._places)
                self._waiting.append(sha256)
            self._pictures.append(self._places[sha256])
        self._rows.append(row)
        self._ends.append(len(self._pictures))
        if len(self._waiting) >= self._batch:
            self._take()

    @property
    def rows(self) -> npt.NDArray[np.uint32]:
        return np.frombuffer(self._rows, dtype=np.uint32)

    def matrix(self) -> Vectors:
        """A unit vector for each of `rows`."""
        self._take()
        if not self._blocks:
            return np.zeros((0, 1), dtype=np.float32)
        pictures = np.concatenate(self._blocks)
        ends, places = (
            np.frombuffer(self._ends, dtype=np.uint64).astype(np.int64),
            np.frombuffer(self._pictures, np.uint32),
        )
        rows = np.empty((len(self._rows), pictures.shape[1]), dtype=np.float32)
        for start in range(0, len(rows), _BLOCK):
            bounds = ends[start : start + _BLOCK + 1]
            part = pictures[places[bounds[0] : bounds[-1]]].astype(np.float32)
            rows[start : start + _BLOCK] = unit(np.add.reduceat(part, bounds[:-1] - bounds[0], axis=0))
        return rows

    def _take(self) -> None:
        for start in range(0, len(self._waiting), self._batch):
            names = self._waiting[start : start + self._batch]
            self._blocks.append(self._embed([self._bank.image(name) for name in names]).astype(np.float16))
        self._waiting.clear()


class Alike:
    """Near duplicates by vectors, among rows with the same question or among all."""

    def __init__(self, config: EmbeddingDedupConfig, vectors: PictureVectors) -> None:
        self._config, self._vectors = config, vectors
        self._scopes = array("Q")

    def add(self, prompt: Prompt) -> None:
        """To be called for the same rows as the vectors' own `add`."""
        self._scopes.append(key_of(question_sha256(prompt)) if self._config.scope == "question" else 0)

    def drop(self, codes: Codes) -> Codes:
        """Reason codes with the near duplicates of earlier rows dropped; rows that are dropped already drop no others."""
        rows = self._vectors.rows
        alive = codes[rows] == 0
        scopes = np.frombuffer(self._scopes, dtype=np.uint64)[alive]
        codes = codes.copy()
        found = near(self._vectors.matrix()[alive], scopes, self._config.cosine)
        codes[rows[alive][found]] = reasons.CODES[reasons.NEAR_DUPLICATE_EMBEDDING]
        return codes


def near(vectors: Vectors, scopes: npt.NDArray[np.uint64], cosine: float) -> npt.NDArray[np.bool_]:
    """For each unit vector whether an earlier one of the same scope, itself not near, has at least this cosine with it."""
    found = np.zeros(len(vectors), dtype=bool)
    if not found.size:
        return found
    order = np.argsort(scopes, kind="stable")
    starts = np.flatnonzero(np.diff(scopes[order], prepend=scopes[order[0]] + np.uint64(1)))
    for start, end in zip(starts, [*starts[1:], order.size], strict=True):
        if end - start > 1:
            _near_in(vectors, order[start:end], cosine, found)
    return found


def _near_in(vectors: Vectors, rows: npt.NDArray[np.intp], cosine: float, found: npt.NDArray[np.bool_]) -> None:
    if rows.size <= MOST_COMPARED:
        _compare(vectors, rows, cosine, found)
        return
    centres = vectors[rows[:: MOST_COMPARED // 4]]
    nearest = np.concatenate(
        [
            np.argsort(-(vectors[rows[at : at + _BLOCK]] @ centres.T), axis=1)[:, :2]
            for at in range(0, rows.size, _BLOCK)
        ]
    )
    for cluster in range(len(centres)):
        # Each row in two clusters, since near rows may lie on both sides of a border.
        within = rows[(nearest == cluster).any(axis=1)]
        _compare(vectors, within[~found[within]], cosine, found)


def _compare(vectors: Vectors, rows: npt.NDArray[np.intp], cosine: float, found: npt.NDArray[np.bool_]) -> None:
    """In order, each with the kept ones before it, a block at a time."""
    kept: list[int] = []
    for start in range(0, rows.size, _BLOCK):
        block = rows[start : start + _BLOCK]
        before = np.zeros(block.size, dtype=bool)
        if kept:
            before = np.max(vectors[block] @ vectors[kept].T, axis=1) >= cosine
        among: npt.NDArray[np.bool_] = np.asarray(vectors[block] @ vectors[block].T >= cosine)
        fresh = np.zeros(block.size, dtype=bool)
        for at in range(block.size):
            fresh[at] = not before[at] and not (among[at] & fresh).any()
        found[block] = ~fresh
        kept.extend(block[fresh].tolist())
