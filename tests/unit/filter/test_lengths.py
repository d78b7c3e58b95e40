from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.filter.lengths import balanced
from ratchet.records import Group
from tests.unit.filter.cases import completion, prompt
from tests.unit.filter.test_stage import filtered, reasons
from tests.unit.verify import staging

_lengths = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=40)


def stay(pairs: list[tuple[int, int]], ratio: float) -> np.ndarray:
    chosen, rejected = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return balanced(chosen, rejected, np.arange(len(pairs), dtype=np.uint64), ratio)


@settings(deadline=None, max_examples=80)
@given(_lengths, st.sampled_from([1.05, 1.2, 2.0]))
def test_the_means_of_what_stays_are_within_the_ratio(pairs: list[tuple[int, int]], ratio: float) -> None:
    left = [pair for pair, kept in zip(pairs, stay(pairs, ratio), strict=True) if kept]
    chosen, rejected = sum(c for c, _ in left), sum(r for _, r in left)
    assert max(chosen, rejected) <= ratio * min(chosen, rejected) + 1e-9


@settings(deadline=None, max_examples=80)
@given(_lengths, st.sampled_from([1.05, 1.2, 2.0]))
def test_what_is_balanced_already_stays_whole(pairs: list[tuple[int, int]], ratio: float) -> None:
    chosen, rejected = sum(c for c, _ in pairs), sum(r for _, r in pairs)
    within = max(chosen, rejected) <= ratio * min(chosen, rejected)
    assert stay(pairs, ratio).all() == within


def test_it_drops_the_fewest_pairs_and_the_longest_winners_first() -> None:
    pairs = [(10, 10), (40, 10), (30, 10), (10, 10), (11, 10)]
    assert stay(pairs, 1.1).tolist() == [True, False, False, True, True]


def two(number: int, chosen: int, rejected: int) -> Group:
    ends = completion(0, "+", n_tokens=chosen), completion(1, "-", n_tokens=rejected)
    return Group(prompt=prompt(number), completions=ends)


def test_the_stage_writes_a_set_of_pairs_whose_mean_lengths_are_within_the_ratio(tmp_path: Path) -> None:
    groups = [two(n, 12 if n % 3 else 6, 6) for n in range(30)]
    config = {"pairs": {"mean_length_ratio": 1.2}}
    store = staging.store_at(tmp_path / "all")
    made = filtered(store, groups, **config)
    rows = staging.rows_of(store, made)
    lengths = [(g.completions[p.chosen].n_tokens, g.completions[p.rejected].n_tokens) for g in rows for p in g.pairs]
    assert 6 < sum(c for c, _ in lengths) / len(lengths) <= 1.2 * 6
    # A group without its pair still serves the other uses; where it may not, it is dropped.
    assert made.rows == 30
    assert {g.uses for g in rows if not g.pairs} == {("rl", "sft")}
    assert made.counts["pairs_length_unbalanced"] == 30 - len(lengths)
    only = staging.store_at(tmp_path / "pairs")
    recipe = {"filter": {**config, "uses": ["preference"]}, "train": {"method": "dpo"}}
    strict = staging.run(only, staging.round_at(only, recipe), "filter", verify=staging.parent(only, "verify", groups))
    assert (strict.rows, set(reasons(only, strict))) == (len(lengths), {"length_unbalanced"})
