"""Simulated loops go through the shipped gate and ledger, and err as seldom as the docs say."""

from __future__ import annotations

import numpy as np
import pytest

from ratchet.errors import Conflict, NotFound
from ratchet.recipe import PromoteConfig
from ratchet.registry.evidence import side_by_side
from ratchet.registry.gate import decide, judge
from ratchet.registry.simulation import worlds
from ratchet.registry.simulation.account import Carried, Ledgered
from ratchet.registry.simulation.studies import NO_GUARDS, Study, policies, simulate, studies, upper_bound
from ratchet.store import Store, open_store
from ratchet.store.memory import MemoryStore
from tests.unit.registry.rows import outcome

PLAIN = policies()["auto"]


def study(**given):
    base = {
        "name": "test",
        "scenario": "null",
        "fixed": True,
        "loops": 100,
        "rounds": 10,
        "items": 240,
        "policy": PLAIN,
    }
    return Study(**{**base, **given})


def evidence(seed: int, gain: float):
    rng = np.random.default_rng(seed)
    given = worlds.draw(rng, 240)
    made = worlds.candidate(rng, given, gain, 0.4)
    return given, made, worlds.side_by_side(made.answers, given.answers, given.pictures)


@pytest.mark.parametrize("seed", range(6))
def test_made_up_answers_are_judged_as_the_same_outcomes_are(seed):
    given, made, shown = evidence(seed, 0.05 * (seed % 3))
    rows = [
        outcome(n, role, bool(right), split_key=f"picture {given.pictures[n]:04d}", skill="items")
        for role, one in (("champion", given), ("candidate", made))
        for n, right in enumerate(one.answers)
    ]
    for policy in (PromoteConfig(), *policies().values()):
        assert judge(shown, policy, seed + 1) == decide(rows, policy, seed + 1)
    assert len(side_by_side(rows).holdout) == 240


@pytest.mark.parametrize("name", ["auto", "exact", "betting"])
@pytest.mark.parametrize("fixed", [True, False])
def test_the_account_that_is_carried_along_decides_as_the_ledger_does(tmp_path, name, fixed):
    policy = policies()[name]
    accounts = [
        Carried(policy, same_items=fixed),
        Ledgered(policy, same_items=fixed),
        Ledgered(policy, same_items=fixed, store=open_store(str(tmp_path))),
    ]
    found = []
    for seed in range(12):
        shown = evidence(seed, 0.2 if seed % 3 == 0 else 0.0)[2]
        one, *others = [account.look(shown) for account in accounts]
        assert all(other == one for other in others)
        found.append(one.promote)
    # On a set that was seen a bet on wealth is refused, and the plain one is too weak for its level.
    assert any(found[1:]) == (not fixed or name == "exact")


@pytest.mark.parametrize("fixed", [True, False])
def test_loops_without_a_gain_hardly_ever_promote(fixed):
    found = simulate(study(fixed=fixed, loops=200, rounds=25), seed=3)
    assert found.wrong == found.ever
    assert found.wrong.count <= 10
    assert found.wrong.of == 200


def test_nearly_every_loop_promotes_in_vain_where_there_is_no_gate():
    found = simulate(study(account="none", loops=40, rounds=20), seed=3)
    assert found.wrong.share > 0.95
    worse = simulate(study(account="none", scenario="worse", fixed=False, loops=40, rounds=40), seed=3)
    assert worse.change < -0.03


def test_a_search_that_learns_the_set_fools_a_gate_that_takes_it_for_fresh_and_not_ours():
    climbing = {"scenario": "climb", "loops": 8, "rounds": 150, "items": 300}
    assert simulate(study(**climbing), seed=3).wrong.count == 0
    assert simulate(study(**climbing, account="uncounted"), seed=3).wrong.count >= 2


def test_a_true_gain_is_found_the_sooner_the_greater_it_is():
    few, many = (
        simulate(study(scenario="gain", fixed=False, gain=g, loops=40, items=1000), seed=3) for g in (0.02, 0.06)
    )
    assert few.within["10"] < many.within["10"] == 1.0
    assert many.within["1"] > 0.5
    assert few.wrong.count == many.wrong.count == 0


def test_the_same_seed_gives_the_same_numbers_on_one_core_and_on_two():
    small = study(loops=60, rounds=3)
    assert simulate(small, seed=5) == simulate(small, seed=5, workers=2)
    assert simulate(small, seed=5).model_dump() != simulate(study(loops=60, rounds=4), seed=5).model_dump()


def test_the_default_stays_below_alpha_on_lopsided_pictures_where_sign_flips_do_not():
    lopsided = {"scenario": "lopsided", "fixed": False, "loops": 40, "rounds": 20, "items": 300}
    assert simulate(study(**lopsided), seed=3).wrong.count == 0
    assert simulate(study(**lopsided, policy=policies()["exact"]), seed=3).wrong.count >= 4


def test_one_item_a_picture_is_tested_exactly_by_default():
    alone = study(single=True, fixed=False, scenario="gain", gain=0.03, loops=10)
    assert simulate(alone, 3).within == simulate(alone.model_copy(update={"policy": policies()["exact"]}), 3).within


def test_the_studies_differ_in_name_and_those_without_a_gain_are_of_full_length():
    found = studies(10_000, 50, 300)
    assert len({one.name for one in found}) == len(found)
    main = [one for one in found if one.loops == 10_000]
    assert [(o.fixed, o.single, o.policy.test) for o in main] == [
        *((fixed, single, "auto") for single in (False, True) for fixed in (True, False)),
        (True, False, "exact"),
        (False, False, "exact"),
    ]
    assert [one.fixed for one in found if one.account == "ledger"] == [True]
    assert all(one.policy.guards == NO_GUARDS for one in found)


@pytest.mark.parametrize(("count", "of", "bound"), [(0, 100, 0.0295), (5, 100, 0.1023), (100, 100, 1.0)])
def test_the_upper_bound_is_clopper_and_pearsons(count, of, bound):
    assert upper_bound(count, of) == pytest.approx(bound, abs=2e-4)


def test_the_store_in_memory_keeps_the_rules_of_a_store(tmp_path):
    store = MemoryStore()
    assert isinstance(store, Store)
    first = store.put("a/b", b"one")
    assert (store.get("a/b"), store.get_range("a/b", 1, 1), store.open("a/b").read()) == (b"one", b"n", b"one")
    with pytest.raises(Conflict):
        store.put_if("a/b", b"two", absent=True)
    store.put_if("a/b", b"two", etag=first.etag)
    with pytest.raises(Conflict):
        store.put_if("a/b", b"three", etag=first.etag)
    below = store.sub("a")
    assert (below.get("b"), below.key(below.uri("b")), [below.key(s.uri) for s in below.list()]) == (b"two", "b", ["b"])
    assert [store.key(s.uri) for s in store.list("a/")] == ["a/b"]
    store.get_file("a/b", tmp_path / "copy")
    assert store.put_file("c", tmp_path / "copy").size == 3
    store.delete("c")
    store.delete("c")
    assert not store.exists("c")
    with pytest.raises(NotFound):
        store.get("c")


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [True, False])
def test_three_hundred_loops_of_fifty_rounds_stay_below_alpha(fixed):
    found = simulate(study(fixed=fixed, loops=300, rounds=50, items=300), seed=11)
    # With 95% certainty, not in these alone; `make study-gate` plays 10,000.
    assert found.wrong.upper <= 0.05
    ledgered = simulate(study(fixed=fixed, loops=8, rounds=50, items=300, account="ledger"), seed=11)
    carried = simulate(study(fixed=fixed, loops=8, rounds=50, items=300), seed=11)
    assert (ledgered.wrong, ledgered.within) == (carried.wrong, carried.within)
