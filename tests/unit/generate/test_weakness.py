"""Weights of skills and difficulty bands from what the seed gets wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.generate.weakness import weighed
from ratchet.recipe import WeaknessConfig

cells = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 2)),
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    min_size=1,
)
configs = st.builds(WeaknessConfig, strength=st.floats(0.1, 5), cap=st.floats(1, 20))


def _weighed(counts, config=WeaknessConfig()):  # noqa: B008
    probed = {cell: n for cell, (n, _) in counts.items()}
    right = {cell: r for cell, (_, r) in counts.items()}
    return {one.cell: one for one in weighed(probed, right, config)}


@given(cells, configs)
def test_weights_are_one_on_average_and_within_the_cap(counts, config):
    found = _weighed(counts, config)
    assert sum(one.weight * one.probed for one in found.values()) == pytest.approx(sum(n for n, _ in counts.values()))
    weights = [one.weight for one in found.values()]
    assert max(weights) / min(weights) <= config.cap * (1 + 1e-9)
    # What the probe did not meet weighs 1, which lies between the others: the cap holds for it as well.
    assert min(weights) <= 1 + 1e-9
    assert max(weights) >= 1 - 1e-9


@given(cells, configs)
def test_a_higher_error_rate_never_weighs_less(counts, config):
    found = sorted(_weighed(counts, config).values(), key=lambda one: one.rate)
    assert all(a.weight <= b.weight * (1 + 1e-9) for a, b in pairwise(found))


@given(cells)
def test_rates_lie_between_zero_and_one_and_close_to_what_was_seen(counts):
    for cell, one in _weighed(counts).items():
        n, right = counts[cell]
        assert 0 < one.rate < 1
        assert abs(one.rate - (n - right) / n) <= 0.5 / (n + 1) + 1e-12


def test_a_small_cell_is_no_extreme():
    found = _weighed({("few", 0): (1, 0), ("many", 0): (100, 95)})
    assert found["few", 0].rate == 0.75
    assert found["many", 0].rate == pytest.approx(5.5 / 101)


def test_weights_are_error_rates_to_the_power_of_strength_and_the_cap_lifts_the_light_ones():
    counts = {("hard", 0): (999, 199), ("middle", 0): (999, 599), ("easy", 0): (999, 999)}
    linear = _weighed(counts, WeaknessConfig(cap=1000))
    assert linear["hard", 0].weight / linear["middle", 0].weight == pytest.approx(2, rel=1e-2)
    squared = _weighed(counts, WeaknessConfig(cap=1000, strength=2))
    assert squared["hard", 0].weight / squared["middle", 0].weight == pytest.approx(4, rel=1e-2)
    capped = _weighed(counts, WeaknessConfig(cap=4))
    assert capped["hard", 0].weight / capped["middle", 0].weight == pytest.approx(2, rel=1e-2)
    assert capped["hard", 0].weight / capped["easy", 0].weight == pytest.approx(4)


def test_a_cap_of_one_takes_everything_evenly():
    found = _weighed({("a", 0): (9, 0), ("b", 1): (90, 90)}, WeaknessConfig(cap=1))
    assert {one.weight for one in found.values()} == {1.0}


def test_cells_come_by_skill_and_from_easy_to_hard():
    found = _weighed({("b", 0): (1, 1), ("a", 2): (1, 1), ("a", None): (1, 0), ("a", 0): (1, 0)})
    assert list(found) == [("a", None), ("a", 0), ("a", 2), ("b", 0)]
