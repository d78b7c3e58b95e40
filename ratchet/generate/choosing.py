"""Which prompts of the pool a round takes: a salted hash decides, evenly or by weight per skill and difficulty band."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ratchet.artifacts import Artifact
from ratchet.errors import SamplingError
from ratchet.records import Prompt

Cell = tuple[str, int | None]
"""A skill and a difficulty band (None: the prompt names no difficulty)."""
ALL: Cell = ("", None)


@dataclass(frozen=True)
class Weights:
    """How much to take of each cell against its share of the pool; a cell that is not named weighs 1."""

    bands: int
    of: Mapping[Cell, float]

    def cell(self, skill: str, difficulty: float | None) -> Cell:
        return (skill, band_of(difficulty, self.bands))


@dataclass(frozen=True)
class Choice:
    """The prompts that a round takes. Memory does not grow with the pool: a cell is a bound on a prompt's hash.

    `asked` is what the weights ask of each cell, `came` what the pool could give.
    """

    salt: str
    weights: Weights | None
    bounds: Mapping[Cell, int]
    asked: Mapping[Cell, int]
    came: Mapping[Cell, int]

    def takes(self, prompt: Prompt) -> bool:
        return place_of(self.salt, prompt.id) <= self.bounds.get(self.cell(prompt), -1)

    def cell(self, prompt: Prompt) -> Cell:
        return ALL if self.weights is None else self.weights.cell(prompt.skill, prompt.difficulty)

    @property
    def prompts(self) -> int:
        return sum(self.came.values())


def choose(pool: Artifact[Prompt], most: int, salt: str, weights: Weights | None = None) -> Choice:
    """At most `most` prompts: those with the smallest salted hash of each cell.

    Some 24 bytes a prompt are in memory while it chooses. What a cell cannot give goes to the others, by weight. Raises
    SamplingError where there are weights and the whole pool would be taken: they could not choose anything.
    """
    cells: dict[Cell, int] = {}
    places: list[np.ndarray] = []
    codes: list[np.ndarray] = []
    for table in pool.tables():
        ids = table.column("id").to_pylist()
        keys = _cells(table, weights)
        places.append(np.fromiter((place_of(salt, id_) for id_ in ids), np.int64, len(ids)))
        codes.append(np.fromiter((cells.setdefault(key, len(cells)) for key in keys), np.int32, len(ids)))
    if not places:
        return Choice(salt, weights, {}, {}, {})
    place, code = np.concatenate(places), np.concatenate(codes)
    if weights is not None and most >= len(place):
        raise SamplingError(
            f"the pool at {pool.manifest.uri} has {len(place)} prompts and the round takes {most}, so weights choose "
            f"nothing; set generate.prompts below {len(place)}, or remove generate.weakness."
        )
    there = {key: int(n) for key, n in zip(cells, np.bincount(code, minlength=len(cells)), strict=True)}
    pull = {key: n * (weights.of.get(key, 1.0) if weights else 1.0) for key, n in there.items()}
    asked = shared(min(most, len(place)), pull)
    came = filled(asked, there, pull)
    bounds = {key: _bound(place[code == number], came[key]) for key, number in cells.items()}
    return Choice(salt, weights, bounds, asked, came)


def place_of(salt: str, id_: str) -> int:
    """A prompt's place in the round's random order: 63 bits."""
    return int.from_bytes(hashlib.sha256(f"{salt}\x1f{id_}".encode()).digest()[:8], "big") >> 1


def shard_of(id_: str, shards: int) -> int:
    """The shard that a prompt falls to, by its id, which is a hash."""
    return int(id_[:8], 16) % shards


def band_of(difficulty: float | None, bands: int) -> int | None:
    """Band 0..bands-1 of a difficulty in 0..1, what lies outside in the nearest one; None for none, and for no number."""
    if difficulty is None or math.isnan(difficulty):
        return None
    return int(min(bands - 1, max(0, difficulty * bands)))


def shared(total: int, pull: Mapping[Cell, float]) -> dict[Cell, int]:
    """`total` divided in proportion to `pull`, in whole numbers: largest remainders first."""
    whole = sum(pull.values())
    if not whole:
        return dict.fromkeys(pull, 0)
    exact = {key: total * value / whole for key, value in pull.items()}
    given = {key: int(value) for key, value in exact.items()}
    rest = total - sum(given.values())
    for key in sorted(exact, key=lambda k: (given[k] - exact[k], str(k)))[:rest]:
        given[key] += 1
    return given


def filled(asked: Mapping[Cell, int], there: Mapping[Cell, int], pull: Mapping[Cell, float]) -> dict[Cell, int]:
    """What comes of what is asked: a cell gives no more than it has, and what is short is asked of the others."""
    came = {key: min(n, there[key]) for key, n in asked.items()}
    while missing := sum(asked.values()) - sum(came.values()):
        open_ = {key: pull[key] for key in came if came[key] < there[key] and pull[key] > 0}
        if not open_:
            break
        for key, more in shared(missing, open_).items():
            came[key] = min(there[key], came[key] + more)
    return came


def _cells(table: pa.Table, weights: Weights | None) -> Sequence[Cell]:
    if weights is None:
        return [ALL] * table.num_rows
    skills, hard = table.column("skill").to_pylist(), table.column("difficulty").to_pylist()
    return [weights.cell(skill, difficulty) for skill, difficulty in zip(skills, hard, strict=True)]


def _bound(places: np.ndarray, take: int) -> int:
    """The largest hash among the `take` smallest; -1 for none."""
    return int(np.partition(places, take - 1)[take - 1]) if take else -1
