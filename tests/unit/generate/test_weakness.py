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
def test_rates_lie_between_what_was_seen_and_the_overall_rate(counts):
    asked = sum(n for n, _ in counts.values())
    overall = (asked - sum(r for _, r in counts.values()) + 0.5) / (asked + 1)
    for cell, one in _weighed(counts).items():
        n, right = counts[cell]
        seen = (n - right) / n
        assert 0 < one.rate < 1
        assert min(seen, overall) - 1e-9 <= one.rate <= max(seen, overall) + 1e-9


@pytest.mark.parametrize("wrong", [100, 150, 200, 300])
def test_one_probed_prompt_moves_little_and_forty_wrong_of_forty_much(wrong):
    found = _weighed({("few", 0): (1, 0), ("many", 0): (400, 400 - wrong), ("bad", 0): (40, 0)})
    assert 1 <= found["few", 0].weight < 1.35
    assert found["bad", 0].weight > 1.35 if wrong < 300 else found["bad", 0].weight > found["few", 0].weight
    lucky = _weighed({("few", 0): (1, 1), ("many", 0): (400, 400 - wrong)})
    assert 0.8 < lucky["few", 0].weight < 1


def test_weights_are_error_rates_to_the_power_of_strength_and_the_cap_lifts_the_light_ones():
    counts = {("hard", 0): (9990, 1990), ("middle", 0): (9990, 5990), ("easy", 0): (9990, 9990)}
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
