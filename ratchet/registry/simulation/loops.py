"""One simulated loop: which candidates come, what the gate says to each, and how often it is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ratchet.recipe import PromoteConfig
from ratchet.registry.evidence import Evidence
from ratchet.registry.simulation import worlds
from ratchet.registry.simulation.worlds import SHAKEN
from ratchet.registry.spending import Standing, level

Gate = Callable[[Evidence], bool]
SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class Played:
    """What a loop did. `wrong`: a candidate that is not better was promoted; `first`: the round of the first promotion;
    `change`: the champion's true gain over the loop."""

    wrong: bool
    first: int | None
    promotions: int
    change: float


def play(
    rng: np.random.Generator,
    gate: Gate,
    *,
    items: int,
    rounds: int,
    fixed: bool,
    gains: Sequence[tuple[float, float]] = ((0.0, 1.0),),
    until_promoted: bool = False,
    sizes: Sequence[int] = worlds.SIZES,
) -> Played:
    """A loop whose candidates have true gains drawn from `gains`, pairs of (gain, chance), over the present champion."""
    given, gained, step = worlds.draw(rng, items, sizes=sizes), 0.0, 0
    wrong, first, promotions = False, None, 0
    for number in range(1, rounds + 1):
        if not fixed and number > 1:
            given = worlds.draw(rng, items, gained, sizes)
        gain = float(rng.choice([g for g, _ in gains], p=[p for _, p in gains])) if len(gains) > 1 else gains[0][0]
        # What the loop tries next follows from what the gate said: this is the adaptivity that a fixed set must stand.
        made = worlds.candidate(rng, given, gain, SHAKEN[step] if gain == 0 else SHAKEN[1])
        if not gate(worlds.side_by_side(made.answers, given.answers, given.pictures)):
            step = (step + 1) % len(SHAKEN)
            continue
        wrong, first, promotions, step = wrong or gain <= 0, first or number, promotions + 1, 0
        given, gained = made, gained + gain
        if until_promoted:
            break
    return Played(wrong, first, promotions, gained)


def lopsided(rng: np.random.Generator, gate: Gate, *, items: int, rounds: int) -> Played:
    """Candidates that win single items and lose whole pictures of four, so that nothing is gained on average.

    A picture's difference is not as likely as its opposite: this is where a sign-flip test promises too much.
    """
    pictures = np.repeat(np.arange(items // 4), 4)
    first, promotions = None, 0
    for number in range(1, rounds + 1):
        changed, lost = rng.random(items // 4) < SHAKEN[-1], rng.random(items // 4) < 1 / 5
        theirs = np.ones((items // 4, 4))
        ours = theirs.copy()
        theirs[changed & ~lost, 0] = 0.0
        ours[changed & lost] = 0.0
        said = gate(worlds.side_by_side(ours.ravel(), theirs.ravel(), pictures))
        first, promotions = (first or number) if said else first, promotions + said
    return Played(first is not None, first, promotions, 0.0)


def climb(
    rng: np.random.Generator, gate: Gate, policy: PromoteConfig, *, items: int, rounds: int, counted: bool
) -> Played:
    """A search that learns the fixed set's hidden answers from the gate's yes and no (Blum and Hardt 2015, section 4).

    A third of the items are yes/no questions that the champion guesses. In four fifths of the rounds each candidate is
    truly better on other items, by about what the gate asks for at that point, and guesses anew: whether it is promoted tells
    a little of whether its guesses are right. A person rolls back what was promoted, so the gain can be used again. After
    that a candidate answers the questions by the guesses' vote, each weighted by what the gate said, and changes nothing
    else. It has memorised the set, and on new items it guesses as before: its true gain is 0.
    """
    asked = items // 3
    truth, guessed = rng.integers(0, 2, asked), rng.integers(0, 2, asked)
    votes, promoted, first, promotions = np.zeros(asked), 0, None, 0
    sure = np.zeros(items - asked)
    theirs, wrong = np.concatenate([guessed == truth, sure]).astype(np.float64), False
    for number in range(1, rounds + 1):
        probes = number <= rounds * 4 // 5
        if probes:
            guesses = rng.integers(0, 2, asked)
            better = _needed(policy, number, promoted, counted, asked, len(sure), rng)
        else:
            guesses = np.where(votes + rng.normal(0, 0.5, asked) > 0, 1, 0)
            better = 0
        ours = np.concatenate([guesses == truth, np.arange(len(sure)) < better]).astype(np.float64)
        said = gate(worlds.side_by_side(ours, theirs, np.arange(items)))
        if probes:
            votes += (1 if said else -1) * (2 * guesses - 1)
            promoted += said
        else:
            wrong = wrong or said
        first, promotions = (first or number) if said else first, promotions + said
    return Played(wrong, first, promotions, 0.0)


def _needed(
    policy: PromoteConfig, number: int, promoted: int, counted: bool, asked: int, most: int, rng: np.random.Generator
) -> int:
    """So many items won that the gate is about as likely to say yes as no."""
    standing = Standing(number, promoted, number - 1, promoted) if counted else Standing(number, promoted)
    z = -NormalDist().inv_cdf(max(level(policy, standing), SMALLEST))
    wins = z * z / 2 + z * math.sqrt(z * z / 4 + asked / 2)
    return int(min(max(wins + rng.normal(0, 1), 1), most))
