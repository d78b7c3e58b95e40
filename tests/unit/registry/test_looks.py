"""The ledger of looks as the loop's account of error."""

from __future__ import annotations

import pytest

from ratchet.recipe import HoldoutConfig, PromoteConfig
from ratchet.registry.gate import decide
from ratchet.registry.looks import Looks, same_items
from ratchet.registry.spending import Standing, share
from ratchet.store import open_store
from tests.unit.registry.rows import outcomes

POLICY = PromoteConfig()
BETTER, WORSE = outcomes(60, 20), outcomes(20, 60)


@pytest.fixture
def looks(tmp_path) -> Looks:
    return Looks(open_store(str(tmp_path)), "family")


def look(looks, key, rows, holdout="one", policy=POLICY):
    facts = {"holdout": holdout, "folds": policy.holdout.folds}
    number = looks.take(key, facts)
    return looks.keep(key, decide(rows, policy, looks.standing(number, policy, facts)))


def test_on_fresh_items_only_refusals_are_paid_for(looks):
    found = [look(looks, f"k{n}", BETTER if n % 2 else WORSE, holdout=f"h{n}") for n in range(4)]
    assert [d.promote for d in found] == [False, True, False, True]
    assert [d.alpha_spent for d in found] == pytest.approx([0.05 * share(POLICY.spending, r) for r in (1, 2, 2, 3)])
    assert found[-1].wealth == pytest.approx(1 - share(POLICY.spending, 1) - share(POLICY.spending, 2))
    assert "whatever candidates were chosen by" in " ".join(found[-1].sentences)


def test_a_set_that_is_looked_at_again_pays_for_its_histories(looks):
    first, second, third = (look(looks, key, rows) for key, rows in (("a", BETTER), ("b", WORSE), ("c", BETTER)))
    assert [d.seen for d in (first, second, third)] == [0, 1, 2]
    assert third.alpha_spent == pytest.approx(0.05 * share(POLICY.spending, 3) / (2 * 2 * 3))
    said = " ".join(third.sentences)
    assert "looked at twice before, and once it led to a promotion" in said
    assert "nothing but the gate's decisions on these items has steered data or training" in said


def test_a_set_that_must_not_be_seen_twice_is_refused_the_second_time(looks):
    once = PromoteConfig(holdout=HoldoutConfig(reuse="refused"))
    assert look(looks, "a", BETTER, policy=once).promote
    again = look(looks, "b", BETTER, policy=once)
    assert (again.promote, again.reason) == (False, "items-seen-before")
    assert look(looks, "c", BETTER, holdout="two", policy=once).promote


def test_a_look_whose_run_was_killed_counts_as_lost(looks):
    looks.take("killed", {"holdout": "zero", "folds": 1})
    facts = {"holdout": "one", "folds": 1}
    standing = looks.standing(2, POLICY, facts)
    assert standing == Standing(look=2, wealth=1 - share(POLICY.spending, 1))


def test_looks_at_other_folds_are_at_other_items():
    one = {"holdout": "h", "folds": 5}
    assert same_items(1, one, 6, one)
    assert not same_items(1, one, 2, one)
    assert same_items(1, {"holdout": "h", "folds": 4}, 2, one)
    assert not same_items(1, {"holdout": "g", "folds": 5}, 6, one)
    assert same_items(1, {}, 2, one)
