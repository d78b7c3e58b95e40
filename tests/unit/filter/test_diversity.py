from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.filter.diversity import diverse, signs, simhash
from ratchet.filter.embedding import unit
from ratchet.filter.shingles import shingle_sets
from ratchet.recipe import DiversityConfig
from tests.unit.filter.cases import group
from tests.unit.filter.test_stage import filtered, reasons
from tests.unit.verify import staging

METHODS = ("clusters", "k_center")


def chosen(words: list[int], keep: int, keys: list[int] | None = None, **config: Any) -> list[int]:
    given = np.array(words, dtype=np.uint64).reshape(-1, 1)
    drawn = np.array(keys if keys is not None else range(len(words)), dtype=np.uint64)
    return np.flatnonzero(diverse(given, drawn, DiversityConfig.model_validate({"keep": keep, **config}))).tolist()


_words = st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 255]), max_size=30)


@settings(deadline=None, max_examples=60)
@given(_words, st.integers(1, 12), st.sampled_from(METHODS), st.integers(2, 5))
def test_exactly_keep_stay_or_all_where_there_are_no_more(
    words: list[int], keep: int, method: str, clusters: int
) -> None:
    assert len(chosen(words, keep, method=method, clusters=clusters)) == min(keep, len(words))


@settings(deadline=None, max_examples=60)
@given(_words, st.integers(1, 12), st.sampled_from(METHODS), st.permutations(range(30)))
def test_the_choice_does_not_depend_on_the_order_of_the_rows(
    words: list[int], keep: int, method: str, order: list[int]
) -> None:
    keys = list(range(len(words)))
    places = [i for i in order if i < len(words)]
    first = {keys[i] for i in chosen(words, keep, keys, method=method)}
    other = {
        keys[places[i]] for i in chosen([words[i] for i in places], keep, [keys[i] for i in places], method=method)
    }
    assert first == other


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=20), st.integers(2, 8))
def test_farthest_first_covers_within_twice_the_best(words: list[int], keep: int) -> None:
    stay = [words[i] for i in chosen(words, keep, method="k_center")]
    cover = max(min((w ^ s).bit_count() for s in stay) for w in words)
    apart = min(((a ^ b).bit_count() for i, a in enumerate(stay) for b in stay[:i]), default=64)
    # Gonzalez: the row that is covered worst is no farther from the chosen than they are from each other.
    assert cover <= apart or len(set(words)) <= keep


def test_clusters_take_turns_so_that_the_rare_looks_stay() -> None:
    common, rare = [0b1 << i for i in range(40)], [2**64 - 1, 2**64 - 3]
    assert set(chosen([*common, *rare], 4, method="clusters", clusters=2)) >= {40, 41}


def test_what_is_alike_has_hashes_that_differ_in_few_bits() -> None:
    one, near, far = shingle_sets(
        [
            "how many red circles are in the picture",
            "how many red circles are in this picture",
            "list every dog you see",
        ],
        5,
    )
    a, b, c = simhash(one), simhash(near), simhash(far)
    assert (a ^ b).bit_count() < 16 < (a ^ c).bit_count()


def test_the_share_of_signs_that_differ_is_the_angle() -> None:
    degrees = np.array([0.0, 18.0, 45.0, 90.0])
    angles = np.radians(degrees)
    vectors = unit(np.stack([np.cos(angles), np.sin(angles), *np.zeros((30, 4))], axis=1).astype(np.float32))
    words = signs(vectors)
    differ = np.bitwise_count(words ^ words[0]).sum(axis=1) / 256
    assert differ * 180 == pytest.approx(degrees, abs=12)


def test_the_stage_keeps_so_many_and_names_the_rest_before_caps(tmp_path: Path) -> None:
    questions = [
        "how many red circles ?",
        "how many red circles are there ?",
        "list every dog",
        "what time does the clock show ?",
    ]
    groups = [group("+-", n, question=questions[n % 4 if n % 7 == 0 else n % 2]) for n in range(24)]
    store = staging.store_at(tmp_path)
    made = filtered(store, groups, diversity={"keep": 8, "clusters": 4}, per_skill=5)
    assert made.rows == 5
    assert made.results["reasons"] == {"not_diverse": 16, "over_cap": 3}
    assert reasons(store, made).count("not_diverse") == 16
    kept = {
        g.prompt.question for g in staging.rows_of(store, filtered(store, groups, diversity={"keep": 8, "clusters": 4}))
    }
    assert kept == set(questions)
