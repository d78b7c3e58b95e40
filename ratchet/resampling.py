"""Tests by flipping signs and by drawing again: one-sided, of paired differences, with items in clusters."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ratchet.statistics import Floats, Labels, Values, floats, numbered

# Up to so many clusters with fractional sums every sign pattern is tried: 65,536 of them.
ENUMERATED_CLUSTERS = 16
# From so many on, the tail of the flipped sums is computed and not drawn.
TAILED_CLUSTERS = 1000
# A bootstrap of more kinds of clusters puts those together that are nearly alike.
MOST_KINDS = 1024
CHUNK_CELLS = 1 << 22


def sign_flip(cluster_diffs: Values, seed: int = 0, draws: int = 100_000) -> float:
    """One-sided sign-flip test on the clusters' summed differences (Fisher 1935).

    Under the null each sum is as likely as its negative, and p is the share of sign patterns whose total is at least
    the one seen. The sum of squares is the same for all patterns, so this orders them as Student's t does, and the test
    also holds asymptotically for the weaker null of a mean <= 0 (Janssen 1997). Whole-numbered sums, as from right
    and wrong, get the exact p by convolution; with sums of -1, 0 and 1 it equals `mcnemar_exact`. A few fractional
    sums are enumerated, more are drawn `draws` times: p = (1 + hits) / (1 + draws), Phipson and Smyth 2010; of thousands the
    tail is computed (Lugannani and Rice 1980), to a relative error far below that of draws.
    """
    sums = floats(cluster_diffs)
    sums = sums[sums != 0]
    total = float(sums.sum())
    if len(sums) == 0:
        return 1.0
    if np.all(sums == np.round(sums)):
        return _whole_sign_flip(np.abs(sums).astype(np.int64), round(total))
    tolerance = 1e-12 * float(np.abs(sums).sum())
    if len(sums) <= ENUMERATED_CLUSTERS:
        patterns = (np.arange(1 << len(sums))[:, None] >> np.arange(len(sums))) & 1
        return float(np.mean((2 * patterns - 1) @ sums >= total - tolerance))
    if len(sums) >= TAILED_CLUSTERS and (tail := _tail_of_flips(sums, total)) is not None:
        return tail
    rng, hits = np.random.default_rng(seed), 0
    for size in _chunks(draws, len(sums)):
        signs = 2.0 * rng.integers(0, 2, size=(size, len(sums)), dtype=np.int8) - 1
        hits += int(np.count_nonzero(signs @ sums >= total - tolerance))
    return (1 + hits) / (1 + draws)


def cluster_bootstrap(
    candidate: Values, champion: Values, clusters: Labels, alpha: float = 0.05, seed: int = 0, draws: int = 10_000
) -> tuple[float, float]:
    """Lower bound (level alpha) of the difference, and one-sided p, from resampled clusters (Davison and Hinkley 1997).

    Percentile method: no guarantee for few clusters, unlike the exact tests. p = (1 + draws with a difference <= 0) /
    (1 + draws), so `draws` must be several times 1 / alpha. Clusters with equal sum and size are one category of a
    multinomial, which makes a draw cost as many numbers as there are categories; where sums are fractional, neighbours of
    one size share a category and their mean, which leaves out the little that they differ among themselves.
    """
    diffs = floats(candidate) - floats(champion)
    labels = numbered(clusters, len(diffs))
    if len(diffs) == 0:
        return -1.0, 1.0
    rows = np.stack([np.bincount(labels, weights=diffs), np.bincount(labels).astype(np.float64)], axis=1)
    kinds, counts = _kinds(rows)
    rng = np.random.default_rng(seed)
    found = []
    for size in _chunks(draws, len(kinds)):
        drawn = rng.multinomial(len(rows), counts / len(rows), size=size) @ kinds
        found.append(drawn[:, 0] / drawn[:, 1])
    deltas = np.concatenate(found)
    p = (1 + int(np.count_nonzero(deltas <= 0))) / (1 + draws)
    return float(np.quantile(deltas, alpha)), p


def _kinds(rows: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Different (sum, size) of clusters and how often each comes, at most about MOST_KINDS of them."""
    kinds, counts = np.unique(rows[:, ::-1], axis=0, return_counts=True)
    if len(kinds) > MOST_KINDS:
        # Sorted by size, then sum: equal stretches of the clusters, cut also where the size changes.
        place = (np.cumsum(counts) - 1) * MOST_KINDS // len(rows)
        changes = np.append(True, (np.diff(place) > 0) | (np.diff(kinds[:, 0]) != 0))
        starts = np.flatnonzero(changes)
        many = np.add.reduceat(counts, starts)
        kinds = np.add.reduceat(kinds * counts[:, None], starts, axis=0) / many[:, None]
        counts = many
    return kinds[:, ::-1], counts


def _tail_of_flips(sums: Floats, total: float) -> float | None:
    """P(sum of randomly signed |sums| >= total) by the saddlepoint, in the middle by the normal distribution; None at the end of the range."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    sizes = np.abs(sums)
    spread = math.sqrt(float(sizes @ sizes))
    if total > 0.9 * float(sizes.sum()):
        return None
    if total < 0.5 * spread:
        return float(ndtr(-total / spread))
    point = brentq(lambda t: float(sizes @ np.tanh(t * sizes)) - total, 0.0, 50.0 / float(sizes.mean()))
    cumulant = float(np.logaddexp(point * sizes, -point * sizes).sum()) - len(sizes) * math.log(2)
    root = math.sqrt(2 * (point * total - cumulant))
    slope = point * math.sqrt(float((sizes / np.cosh(point * sizes)) @ (sizes / np.cosh(point * sizes))))
    density = math.exp(-root * root / 2) / math.sqrt(2 * math.pi)
    tail: float = ndtr(-root) + density * (1 / slope - 1 / root)
    return float(tail)


def _whole_sign_flip(sizes: NDArray[np.int64], total: int) -> float:
    """P(sum of randomly signed sizes >= total), exact: k clusters of size m add m * (2 * Binomial(k, 1/2) - k)."""
    chances: Floats = np.ones(1)
    counts = np.bincount(sizes)
    for size in np.flatnonzero(counts):
        count = counts[size]
        spread = np.zeros(int(size * count) + 1)
        spread[:: int(size)] = _fair_coins(int(count))
        chances = floats(np.convolve(chances, spread))
    # Index i of `chances` is a positive part of i, so a total of 2 i - (sum of sizes).
    first = (total + int(sizes.sum()) + 1) // 2
    return float(min(chances[first:].sum(), 1.0))


@lru_cache(maxsize=1024)
def _fair_coins(count: int) -> Floats:
    """Chances of 0..count heads in `count` fair throws; not to be changed in place."""
    from scipy.special import gammaln

    heads = np.arange(count + 1)
    logs = gammaln(count + 1) - gammaln(heads + 1) - gammaln(count - heads + 1) - count * math.log(2)
    chances: Floats = np.exp(logs)
    chances.flags.writeable = False
    return chances


def _chunks(draws: int, width: int) -> list[int]:
    """Sizes that add up to `draws`, each small enough to hold in memory."""
    most = max(CHUNK_CELLS // max(width, 1), 1)
    return [min(most, draws - start) for start in range(0, draws, most)]
