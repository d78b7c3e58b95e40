"""The paired statistics against scipy, against brute force, and against simulated truth."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet import resampling
from ratchet.resampling import cluster_bootstrap, sign_flip
from ratchet.statistics import (
    cluster_sums,
    clustered_share,
    mcnemar_exact,
    noninferior,
    paired_delta,
    paired_ratio_delta,
    pass_at_k_unbiased,
    wilson,
)

counts = st.integers(0, 400)
answers = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=2, max_size=80)


def columns(rows):
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]


@settings(deadline=None)
@given(wins=counts, losses=counts)
def test_mcnemar_equals_scipys_binomial_test(wins, losses):
    from scipy.stats import binomtest

    expected = binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue if wins + losses else 1.0
    assert mcnemar_exact(wins, losses) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@settings(deadline=None)
@given(wins=counts, losses=counts)
def test_sign_flip_of_single_items_is_mcnemar(wins, losses):
    assert sign_flip([1] * wins + [-1] * losses + [0] * 7) == pytest.approx(
        mcnemar_exact(wins, losses), rel=1e-9, abs=1e-300
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_sign_flip_of_whole_sums_equals_brute_force(sums):
    patterns = [
        sum(s * abs(x) for s, x in zip(signs, sums, strict=True))
        for signs in itertools.product((1, -1), repeat=len(sums))
    ]
    expected = sum(total >= sum(sums) for total in patterns) / len(patterns)
    assert sign_flip(sums) == pytest.approx(expected)


def test_sign_flip_of_fractional_sums_is_enumerated_then_drawn():
    few = [0.5, -0.25, 0.75, 0.3]
    patterns = [sum(s * x for s, x in zip(signs, few, strict=True)) for signs in itertools.product((1, -1), repeat=4)]
    assert sign_flip(few) == pytest.approx(np.mean([t >= sum(few) - 1e-9 for t in patterns]))
    many = np.random.default_rng(1).normal(0.3, 1, size=60)
    drawn = sign_flip(many, seed=3, draws=20_000)
    assert drawn == sign_flip(many, seed=3, draws=20_000)
    statistic = many.sum() / math.sqrt(float(many @ many))
    assert drawn == pytest.approx(0.5 * math.erfc(statistic / math.sqrt(2)), abs=0.02)


@pytest.mark.parametrize(("n", "share"), [(30, 0.1), (200, 0.5), (1000, 0.97)])
def test_wilson_covers_the_true_share(n, share):
    drawn = np.random.default_rng(0).binomial(n, share, size=4000)
    covered = np.mean([low <= share <= high for low, high in (wilson(int(s), n) for s in drawn)])
    assert 0.93 <= covered <= 0.98


def test_wilson_knows_the_textbook_value_and_the_ends():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="5 successes of 4"):
        wilson(5, 4)


@settings(deadline=None)
@given(rows=answers, margins=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_wider_margin_never_fails_what_a_narrower_one_passes(rows, margins):
    narrow, wide = sorted(margins)
    candidate, champion, clusters = columns(rows)
    bound, passed = noninferior(candidate, champion, clusters, narrow, 0.05)
    again, wider = noninferior(candidate, champion, clusters, wide, 0.05)
    assert bound == again
    assert wider or not passed


@settings(deadline=None)
@given(rows=answers)
def test_the_interval_is_ordered_bounded_and_turns_over_with_the_roles(rows):
    candidate, champion, clusters = columns(rows)
    one, other = paired_delta(candidate, champion, clusters), paired_delta(champion, candidate, clusters)
    assert -1 <= one.low <= one.delta <= one.high <= 1
    assert (one.delta, one.low, one.high) == pytest.approx((-other.delta, -other.high, -other.low))
    assert one.delta == pytest.approx(cluster_sums(candidate, champion, clusters).sum() / len(rows))


def test_without_items_the_interval_says_nothing():
    assert paired_delta([], [], []).model_dump() == {"n": 0, "clusters": 0, "delta": 0.0, "low": -1.0, "high": 1.0}
    assert paired_ratio_delta(([], []), ([], []), []).high == 1.0
    assert cluster_bootstrap([], [], []) == (-1.0, 1.0)
    assert sign_flip([]) == 1.0


def test_agreement_on_few_items_is_no_proof_of_noninferiority():
    for n, passes in ((10, False), (27, False), (40, True)):
        assert noninferior([1] * n, [1] * n, list(range(n)), 0.08, 0.05)[1] is passes


def test_paired_delta_covers_the_truth_when_items_share_clusters():
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(120), 4)
    covered = naive = 0
    for _ in range(600):
        shift = np.repeat(rng.uniform(-0.4, 0.5, size=120), 4)
        champion = rng.random(480) < 0.5
        candidate = rng.random(480) < np.clip(0.5 + shift, 0, 1)
        found = paired_delta(candidate, champion, clusters)
        covered += found.low <= 0.05 <= found.high
        single = paired_delta(candidate, champion, np.arange(480))
        naive += single.low <= 0.05 <= single.high
    assert 0.92 <= covered / 600 <= 0.98
    assert naive < covered


def test_ratio_delta_is_the_difference_of_the_ratios_and_covers_it():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(500):
        mentioned, other = 1 + rng.poisson(3, size=150), 1 + rng.poisson(2, size=150)
        hallucinated, theirs = rng.binomial(mentioned, 0.15), rng.binomial(other, 0.25)
        found = paired_ratio_delta((hallucinated, mentioned), (theirs, other), np.arange(150))
        assert found.delta == pytest.approx(hallucinated.sum() / mentioned.sum() - theirs.sum() / other.sum())
        covered += found.low <= -0.1 <= found.high
    assert 0.92 <= covered / 500 <= 0.98


def test_bootstrap_agrees_with_the_cluster_robust_bound():
    rng = np.random.default_rng(4)
    champion, candidate = rng.random(900) < 0.6, rng.random(900) < 0.63
    clusters = rng.integers(0, 300, size=900)
    bound, p = cluster_bootstrap(candidate, champion, clusters, alpha=0.05, seed=1)
    assert bound == pytest.approx(paired_delta(candidate, champion, clusters, 0.9).low, abs=0.004)
    assert p == pytest.approx(sign_flip(cluster_sums(candidate, champion, clusters)), abs=0.02)
    assert (bound, p) == cluster_bootstrap(candidate, champion, clusters, alpha=0.05, seed=1)


@given(n=st.integers(1, 12), right=st.integers(0, 12), k=st.integers(1, 12))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(n, right, k):
    right, k = min(right, n), min(k, n)
    subsets = list(itertools.combinations([1] * right + [0] * (n - right), k))
    assert pass_at_k_unbiased(n, right, k) == pytest.approx(np.mean([any(s) for s in subsets]))


@pytest.mark.parametrize("shift", [0.07, 0.1])
def test_the_computed_tail_of_many_flips_is_what_draws_find(shift):
    rng = np.random.default_rng(8)
    sums = rng.normal(shift, 1, 1200) * rng.random(1200)
    drawn = sign_flip(sums[:999], draws=50_000)
    assert resampling._tail_of_flips(sums[:999], float(sums[:999].sum())) == pytest.approx(drawn, rel=0.1)
    assert sign_flip(sums) == resampling._tail_of_flips(sums, float(sums.sum()))
    assert sign_flip(-sums) > 0.5


def test_a_bootstrap_of_many_fractional_scores_is_that_of_the_scores_themselves(monkeypatch):
    rng = np.random.default_rng(9)
    champion = rng.random(9000)
    candidate = np.clip(champion + rng.normal(0.002, 0.1, 9000), 0, 1)
    clusters = np.arange(9000) // rng.integers(1, 3)
    bound, p = cluster_bootstrap(candidate, champion, clusters, draws=2000)
    monkeypatch.setattr(resampling, "MOST_KINDS", 10**9)
    plain_bound, plain_p = cluster_bootstrap(candidate, champion, clusters, draws=2000)
    assert bound == pytest.approx(plain_bound, abs=2e-4)
    assert p == pytest.approx(plain_p, abs=0.02)


def test_impossible_counts_are_refused_with_their_values():
    with pytest.raises(ValueError, match="pass@4 from 1 right of 3"):
        pass_at_k_unbiased(3, 1, 4)
    with pytest.raises(ValueError, match="3 items but 2 cluster labels"):
        paired_delta([1, 0, 1], [0, 0, 1], ["a", "b"])
    with pytest.raises(ValueError, match="cannot be negative"):
        mcnemar_exact(-1, 2)


def test_the_module_loads_without_scipy():
    code = "import sys, ratchet.statistics; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(hits=st.lists(st.booleans(), min_size=1, max_size=60))
def test_items_that_are_clusters_of_their_own_get_no_narrower_interval_than_wilsons(hits):
    low, high = clustered_share(hits, range(len(hits)))
    plain = wilson(sum(hits), len(hits))
    assert low <= plain[0] + 1e-9
    assert high >= plain[1] - 1e-9
    if 0 < sum(hits) < len(hits):
        # The cluster-robust variance has G/(G-1) for its own mean: so much wider, and no more.
        assert (low, high) == pytest.approx(wilson(sum(hits) * (g := 1 - 1 / len(hits)), len(hits) * g))


@given(hits=st.lists(st.booleans(), min_size=1, max_size=30), copies=st.integers(1, 6))
def test_copies_of_an_item_in_its_cluster_tell_nothing_more(hits, copies):
    repeated = [hit for hit in hits for _ in range(copies)]
    labels = [number for number in range(len(hits)) for _ in range(copies)]
    assert clustered_share(repeated, labels) == pytest.approx(clustered_share(hits, range(len(hits))))


def test_the_clustered_interval_covers_the_truth_where_wilsons_does_not():
    rng = np.random.default_rng(5)
    covered = plain = 0
    for _ in range(400):
        rates = rng.beta(1.2, 0.4, size=60)  # answers to one prompt are mostly all right or all wrong
        hits = (rng.random((60, 4)) < rates[:, None]).ravel()
        low, high = clustered_share(hits, np.repeat(np.arange(60), 4))
        covered += low <= 0.75 <= high
        low, high = wilson(int(hits.sum()), 240)
        plain += low <= 0.75 <= high
    assert covered >= 0.93 * 400
    assert plain < 0.9 * 400
