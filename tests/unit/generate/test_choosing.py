"""Which prompts a round takes, evenly and by weight."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.artifacts import PROMPTS, Artifact
from ratchet.errors import SamplingError
from ratchet.generate.choosing import Weights, band_of, choose, filled, shard_of, shared
from ratchet.promptset import PromptSetWriter, open_part
from ratchet.records import Prompt
from ratchet.store import FolderStore
from tests import tiny

pulls = st.dictionaries(st.tuples(st.text(max_size=2), st.none() | st.integers(0, 2)), st.floats(0.01, 100), max_size=9)
there_and_weight = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.integers(0, 2)),
    st.tuples(st.integers(1, 400), st.floats(0.5, 2.0)),
    min_size=1,
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Artifact[Prompt]:
    store = FolderStore(str(tmp_path_factory.mktemp("store")))
    return open_part(store, tiny.prompt_set(store, pool=180), "pool")


def _taken(pool: Artifact[Prompt], most: int, salt: str, weights: Weights | None = None) -> list[Prompt]:
    choice = choose(pool, most, salt, weights)
    taken = [p for p in pool.rows() if choice.takes(p)]
    assert len(taken) == choice.prompts
    return taken


def test_a_choice_is_as_large_as_asked_and_another_for_each_salt(pool):
    first, again, other = (_taken(pool, 50, salt) for salt in ("a", "a", "b"))
    assert first == again
    assert len(first) == len(other) == 50
    assert first != other
    assert _taken(pool, 500, "a") == list(pool.rows())


def test_a_smaller_choice_is_part_of_a_larger_one(pool):
    assert {p.id for p in _taken(pool, 20, "a")} < {p.id for p in _taken(pool, 60, "a")}


def test_weights_take_more_of_what_is_heavy_and_say_what_was_asked_and_came(pool):
    weights = Weights(1, {("count", 0): 4.0, ("exist", 0): 0.5})
    choice = choose(pool, 60, "a", weights)
    taken = _taken(pool, 60, "a", weights)
    came = {skill: sum(p.skill == skill for p in taken) for skill in {p.skill for p in pool.rows()}}
    assert came == {skill: n for (skill, _), n in choice.came.items()}
    # 20 of each of 9 skills: 4 and 0.5 against 7 that weigh 1, of 11.5 in all.
    assert came["count"] == 20
    assert choice.asked["count", 0] == 21
    assert came["exist"] == 3
    assert sum(came.values()) == 60


def test_a_prompt_without_difficulty_has_a_band_of_its_own(tmp_path: Path):
    store = FolderStore(str(tmp_path))
    prompts, pictures = tiny.world("pool", 40, skills=["count"])
    bare = [p.model_copy(update={"difficulty": None}) for p in prompts[:20]] + prompts[20:]
    writer = PromptSetWriter(store, name="bare", digest="b" * 64, source="mine", salt="s")
    manifest = writer.write_part("pool", bare, [tiny.pack(store, pictures)])
    pool = Artifact.open(store, manifest.uri, PROMPTS)
    choice = choose(pool, 20, "a", Weights(3, {("count", None): 1000.0}))
    assert choice.came["count", None] == 20
    assert {band for _, band in choice.asked} == {None, 0, 1, 2}


def test_weights_over_a_pool_that_is_taken_whole_are_refused(pool):
    with pytest.raises(
        SamplingError, match=r"has 180 prompts and the round takes 180.*set generate\.prompts below 180"
    ):
        choose(pool, 180, "a", Weights(1, {}))


def test_an_empty_pool_gives_an_empty_choice(tmp_path: Path):
    store = FolderStore(str(tmp_path))
    assert choose(open_part(store, tiny.prompt_set(store, pool=0), "pool"), 9, "a").prompts == 0


@given(st.integers(0, 10_000), pulls)
def test_shares_are_whole_sum_to_the_total_and_differ_from_the_exact_ones_by_less_than_one(total, pull):
    given_ = shared(total, pull)
    assert sum(given_.values()) == (total if pull else 0)
    whole = sum(pull.values())
    for cell, n in given_.items():
        assert abs(n - total * pull[cell] / whole) < 1 + 1e-6


@given(there_and_weight, st.floats(0, 1))
def test_what_a_cell_cannot_give_comes_from_the_others(cells, share):
    there = {cell: n for cell, (n, _) in cells.items()}
    pull = {cell: n * weight for cell, (n, weight) in cells.items()}
    asked = shared(int(share * sum(there.values())), pull)
    came = filled(asked, there, pull)
    assert sum(came.values()) == sum(asked.values())
    assert all(min(asked[cell], there[cell]) <= came[cell] <= there[cell] for cell in there)


@given(there_and_weight, st.floats(0, 1))
def test_no_cell_falls_below_its_share_of_the_pool_over_the_cap(cells, share):
    cap = max(w for _, w in cells.values()) / min(w for _, w in cells.values())
    there = {cell: n for cell, (n, _) in cells.items()}
    pull = {cell: n * weight for cell, (n, weight) in cells.items()}
    total = int(share * sum(there.values()))
    came = filled(shared(total, pull), there, pull)
    for cell, n in there.items():
        assert came[cell] > total * n / sum(there.values()) / cap - 1 - 1e-6


@given(st.floats() | st.none(), st.integers(1, 10))
def test_bands_are_in_range_whatever_the_difficulty(difficulty, bands):
    band = band_of(difficulty, bands)
    assert (band is None) == (difficulty is None or math.isnan(difficulty))
    assert band is None or 0 <= band < bands


def test_bands_have_equal_width():
    assert [band_of(d, 4) for d in (0.0, 0.24, 0.25, 0.5, 0.99, 1.0)] == [0, 0, 1, 2, 3, 3]


def test_shards_take_about_as_much_each(pool):
    counts = [sum(shard_of(p.id, 3) == n for p in pool.rows()) for n in range(3)]
    assert sum(counts) == 180
    assert min(counts) > 40
