"""Betting against "the candidate is no better": an e-value for paired differences that are bounded, by cluster.

Each cluster's summed difference, less what the null allows it, over the largest cluster's size, is a number x >= -(1 +
margin) with mean <= 0 under the null. A gambler who stakes the fraction l of a fortune of 1 on each has the product of (1 +
l x) at the end, which has mean <= 1 whatever the distribution of x (Waudby-Smith and Ramdas 2024, "Estimating means of bounded
random variables by betting"). Which l is best is not known before, so the fortune is divided over a grid of them: a mixture
of such products is one again, and does not depend on the order of the items. No symmetry and no sample size is assumed, only
that clusters are drawn independently, which the sign-flip test cannot say of a mean.
"""

from __future__ import annotations

import math

import numpy as np

from ratchet.statistics import Floats

STAKES = np.geomspace(0.01, 0.9, 12)
"""Fractions of the fortune; the best one is about mean over variance of x."""
# exp of more is no double.
MOST = 700.0


def e_value(sums: Floats, sizes: Floats, margin: float = 0.0) -> float:
    """Evidence against "the mean difference is at most `margin`", from clusters' summed differences and their sizes.

    At least 1 / a has a chance of at most a under the null (Markov), so min(1, 1 / e) is a p-value. No clusters: 1.
    """
    if len(sums) == 0:
        return 1.0
    kinds, counts = np.unique((sums - margin * sizes) / sizes.max(), return_counts=True)
    fortunes = counts @ np.log1p(np.outer(kinds, STAKES / (1 + margin)))
    top = float(fortunes.max())
    return math.exp(min(top + math.log(float(np.mean(np.exp(fortunes - top)))), MOST))
