"""Made-up items and models whose true gains are known.

Items come in pictures of one to three. A model is a chance of being right on each item; its answers to the items of a picture
hang together. A candidate keeps the champion's answers except to the pictures that its training has shaken, where it answers
anew. A champion's lucky answers on a fixed set stay with it, as they do in life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ratchet.registry.evidence import Answers, Columns, Evidence
from ratchet.statistics import Floats

SIZES = (1, 2, 3)
TOGETHER = 0.5
"""Share of pictures whose items are all answered by one throw."""
SHAKEN = (0.1, 0.2, 0.4)
"""Shares of pictures that a candidate answers anew. A refused loop tries a larger one next, a promoted one begins again."""


@dataclass(frozen=True, slots=True)
class Set:
    """Items, the champion's chance to be right on each, and its answers (1: right)."""

    pictures: NDArray[np.int64]
    chance: Floats
    answers: Floats


def draw(rng: np.random.Generator, items: int, gained: float = 0.0, sizes: Sequence[int] = SIZES) -> Set:
    """Fresh items, in pictures of these sizes by turns, for a champion that has `gained` so much since the loop began."""
    pictures = np.repeat(np.arange(items), np.resize(sizes, items))[:items]
    chance = np.clip(rng.uniform(0.3, 0.7, size=items)[pictures] + gained, 0.0, 1.0)
    return Set(pictures, chance, answer(rng, pictures, chance))


def answer(rng: np.random.Generator, pictures: NDArray[np.int64], chance: Floats) -> Floats:
    """Answers of a model with these chances: of some pictures all items by one throw, of the others each by its own."""
    count = int(pictures[-1]) + 1
    alike = (rng.random(count) < TOGETHER)[pictures]
    throws = np.where(alike, rng.random(count)[pictures], rng.random(len(pictures)))
    return (throws < chance).astype(np.float64)


def candidate(rng: np.random.Generator, given: Set, gain: float, shaken: float) -> Set:
    """A candidate whose true gain is `gain`, all of it on the pictures that it answers anew."""
    anew = (rng.random(int(given.pictures[-1]) + 1) < shaken)[given.pictures]
    answers = np.where(anew, answer(rng, given.pictures, np.clip(given.chance + gain / shaken, 0, 1)), given.answers)
    return replace(given, chance=np.clip(given.chance + gain, 0, 1), answers=answers)


def side_by_side(ours: Floats, theirs: Floats, pictures: NDArray[np.int64]) -> Evidence:
    """Evidence of right and wrong answers, as `evidence.side_by_side` makes it of outcomes."""
    nothing, none = np.full(len(ours), np.nan), np.zeros(len(ours))
    columns = Columns(
        clusters=pictures,
        marks=pictures.astype(np.uint64),
        skills=("items",),
        skill=np.zeros(len(ours), np.int64),
        truth_yes=nothing,
        candidate=Answers(ours, ours, nothing, nothing, nothing, none, none, nothing),
        champion=Answers(theirs, theirs, nothing, nothing, nothing, none, none, nothing),
        truth=nothing,
    )
    return Evidence(columns, {})
