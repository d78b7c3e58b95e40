"""The statistics of paired comparisons: two models on the same items, items that share a picture in one cluster.

Every function is pure. Values are 0..1 an item (1: right), so a difference of means lies in -1..1. Tests are one-sided
with the null hypothesis that the true difference, candidate minus champion, is at most 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratchet.records import Record

Floats = NDArray[np.float64]
Values = Sequence[float] | Sequence[bool] | NDArray[Any]
Labels = Sequence[str] | Sequence[int] | NDArray[Any]


class Delta(Record):
    """A paired difference, candidate minus champion, with its two-sided interval."""

    n: int
    clusters: int
    delta: float
    low: float
    high: float


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share (E. B. Wilson 1927); (0, 1) where there are no items."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} items: successes must lie between 0 and n")
    if n == 0:
        return 0.0, 1.0
    return _wilson(successes / n, n, confidence)


def share_interval(hits: Values, clusters: Labels, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share: plain where every item is alone, else `clustered_share`'s, for items of a cluster are not so many
    as they are."""
    alone = len(set(clusters)) == len(clusters)
    return wilson(sum(hits), len(hits), confidence) if alone else clustered_share(hits, clusters, confidence)


def clustered_share(hits: Values, clusters: Labels, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share of items that come in clusters: its number of items is that of independent ones.

    That is n over the design effect, the ratio of the cluster-robust variance to the binomial one, and at least 1 (Kish
    1965; with Wilson's interval: Franco et al. 2019). A share of 0 or 1 has no variance to tell it, so there every cluster
    counts as one item. (0, 1) where there are no items.
    """
    values = floats(hits)
    n, labels = len(values), numbered(clusters, len(values))
    if n == 0:
        return 0.0, 1.0
    share, count = float(values.mean()), int(labels.max()) + 1
    worth = float(count)
    if 0 < share < 1 and count > 1:
        sums = floats(np.bincount(labels, weights=values - share))
        effect = count / (count - 1) * float(sums @ sums) / (n * share * (1 - share))
        worth = n / max(effect, 1.0)
    return _wilson(share, worth, confidence)


def _wilson(share: float, n: float, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return (0.0 if share == 0 else max(low, 0.0)), (1.0 if share == 1 else min(high, 1.0))


def paired_delta(candidate: Values, champion: Values, clusters: Labels, confidence: float = 0.95) -> Delta:
    """Difference of means over the same items, with a cluster-robust interval.

    Variance: G/(G-1) * sum over clusters of (sum of residuals)^2 / n^2 (Liang and Zeger 1986; for evaluations: Miller
    2024, "Adding Error Bars to Evals"), Student's t with G-1 degrees of freedom. As in Bonett and Price 2012, the
    interval (not the estimate) is taken after adding one item won and one lost, each a cluster of its own: without
    them a few items on which both models agree would give an interval of width zero.
    """
    diffs = floats(candidate) - floats(champion)
    labels = numbered(clusters, len(diffs))
    n, count = len(diffs), int(labels.max(initial=-1)) + 1
    if n == 0:
        return Delta(n=0, clusters=0, delta=0.0, low=-1.0, high=1.0)
    padded = np.append(diffs, (1.0, -1.0))
    centre = float(padded.mean())
    sums = floats(np.bincount(np.append(labels, (count, count + 1)), weights=padded - centre))
    low, high = _interval(centre, sums / len(padded), confidence)
    return Delta(n=n, clusters=count, delta=float(diffs.mean()), low=low, high=high)


def paired_ratio_delta(
    candidate: tuple[Values, Values], champion: tuple[Values, Values], clusters: Labels, confidence: float = 0.95
) -> Delta:
    """Difference of two ratios of sums, such as CHAIR_i = sum(hallucinated) / sum(mentioned), each given as
    (numerators, denominators) an item.

    The interval is the delta method's, cluster-robust: item i adds (x_i - R y_i) / sum(y) to the error of R = sum(x) /
    sum(y). It has the same two added items as `paired_delta`. A ratio over nothing (0 / 0) counts as 0.
    """
    (x, y), (u, v) = ((floats(part) for part in role) for role in (candidate, champion))
    labels = numbered(clusters, len(x))
    if not len(x) == len(y) == len(u) == len(v):
        raise ValueError(
            f"{len(x)}, {len(y)}, {len(u)} and {len(v)} values: all four columns must be of the same items"
        )
    n, count = len(x), int(labels.max(initial=-1)) + 1
    if n == 0:
        return Delta(n=0, clusters=0, delta=0.0, low=-1.0, high=1.0)
    delta = _ratio(x, y) - _ratio(u, v)
    x, y, u, v = np.append(x, (1.0, 0.0)), np.append(y, (1.0, 1.0)), np.append(u, (0.0, 1.0)), np.append(v, (1.0, 1.0))
    ours, theirs = _ratio(x, y), _ratio(u, v)
    influence = (x - ours * y) / y.sum() - (u - theirs * v) / v.sum()
    errors = floats(np.bincount(np.append(labels, (count, count + 1)), weights=influence))
    low, high = _interval(ours - theirs, errors, confidence)
    return Delta(n=n, clusters=count, delta=delta, low=low, high=high)


def noninferior(
    candidate: Values, champion: Values, clusters: Labels, margin: float, alpha: float
) -> tuple[float, bool]:
    """One-sided non-inferiority: the lower bound (level alpha) of the paired difference, and whether it is above -margin."""
    bound = paired_delta(candidate, champion, clusters, 1 - 2 * alpha).low
    return bound, bound > -margin


def mcnemar_exact(wins: int, losses: int) -> float:
    """Exact one-sided McNemar test: P(X >= wins), X binomial over wins + losses fair coins (McNemar 1947, exact form).

    Items on which both models agree say nothing about the difference. Valid for independent items.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"{wins} wins and {losses} losses: counts cannot be negative")
    if wins == 0:
        return 1.0
    from scipy.special import bdtrc

    return float(bdtrc(wins - 1, wins + losses, 0.5))


def cluster_sums(candidate: Values, champion: Values, clusters: Labels) -> Floats:
    """Summed differences of each cluster: what `sign_flip` takes."""
    diffs = floats(candidate) - floats(champion)
    return floats(np.bincount(numbered(clusters, len(diffs)), weights=diffs))


def pass_at_k_unbiased(n: int, c: int, k: int) -> float:
    """Chance that at least one of k samples is right, from n samples of which c were: 1 - C(n-c, k) / C(n, k).

    Unbiased (Chen et al. 2021, "Evaluating Large Language Models Trained on Code").
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"pass@{k} from {c} right of {n} samples: needs 0 <= right <= samples and 1 <= k <= samples")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def entropy(counts: Sequence[int]) -> float:
    """Of a distribution given by counts, in nats; 0 of nothing. Their order does not matter, to the last bit."""
    total = sum(counts)
    return -math.fsum(n / total * math.log(n / total) for n in counts) + 0.0 if total else 0.0


def floats(values: Values) -> Floats:
    return np.asarray(values, dtype=np.float64)


def numbered(clusters: Labels, n: int) -> NDArray[np.int64]:
    """Clusters numbered from 0."""
    if len(clusters) != n:
        raise ValueError(f"{n} items but {len(clusters)} cluster labels; give one label an item")
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    given = np.asarray(clusters)
    if given.dtype == np.int64 and given.min() >= 0 and given.max() < 4 * n:
        # Numbers already: only gaps are closed, which needs no sorting.
        there = np.bincount(given) > 0
        return given if there.all() else (np.cumsum(there) - 1)[given]
    return np.unique(given, return_inverse=True)[1].astype(np.int64)


def _interval(centre: float, errors: Floats, confidence: float) -> tuple[float, float]:
    """centre -+ t * sqrt(G/(G-1) * sum of squared cluster errors), within -1..1."""
    from scipy.special import stdtrit

    groups = len(errors)
    half = float(stdtrit(groups - 1, 0.5 + confidence / 2)) * math.sqrt(groups / (groups - 1) * float(errors @ errors))
    return max(centre - half, -1.0), min(centre + half, 1.0)


def _ratio(numerators: Floats, denominators: Floats) -> float:
    total = float(denominators.sum())
    return float(numerators.sum()) / total if total else 0.0
