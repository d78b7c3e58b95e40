"""The ledger of looks as the loop's account of error."""

from __future__ import annotations

import pytest

from ratchet.errors import StoreError
from ratchet.importing.tinyworld import tinyworld_set
from ratchet.promptset import open_part
from ratchet.recipe import HoldoutConfig, PromoteConfig, PromptsConfig
from ratchet.registry.gate import decide
from ratchet.registry.items import Items, fold, mark_of
from ratchet.registry.ledger import Ledger
from ratchet.registry.looks import Looks
from ratchet.registry.spending import Standing, share
from ratchet.store import Store, open_store
from tests.unit.registry.rows import outcomes

POLICY = PromoteConfig()
BETTER, WORSE = outcomes(60, 20), outcomes(20, 60)


@pytest.fixture
def store(tmp_path) -> Store:
    return open_store(str(tmp_path))


@pytest.fixture
def looks(store) -> Looks:
    return Looks(store, "family")


def marks(*names):
    return frozenset(mark_of(str(name)) for name in names)


def look(looks, key, rows, holdout="one", policy=POLICY, items=None, loop="mine"):
    facts = {"loop": loop, "holdout": holdout, "folds": policy.holdout.folds}
    seen = marks(holdout) if items is None else marks(*items)
    number = looks.take(key, facts, seen)
    return looks.keep(key, decide(rows, policy, looks.standing(number, policy, facts, seen)))


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
    looks.take("killed", {"holdout": "zero", "folds": 1}, marks("zero"))
    facts = {"holdout": "one", "folds": 1}
    standing = looks.standing(2, POLICY, facts, marks("one"))
    assert standing == Standing(look=2, wealth=1 - share(POLICY.spending, 1))


@pytest.mark.parametrize("family", ["family", "imported again"])
def test_a_set_that_has_grown_by_an_item_was_seen_before_in_whatever_family(store, looks, family):
    earlier = [look(looks, f"k{n}", WORSE, items=range(300)) for n in range(3)]
    assert [d.seen for d in earlier] == [0, 1, 2]
    again = look(Looks(store, family), "k4", BETTER, holdout="two", items=range(301), loop="other")
    assert (again.look, again.seen, again.wealth) == (4, 3, pytest.approx(earlier[-1].wealth - earlier[-1].lost))
    assert again.alpha_spent == pytest.approx(0.05 * share(POLICY.spending, 4) / 2)
    once = PromoteConfig(holdout=HoldoutConfig(reuse="refused"))
    assert look(Looks(store, family), "k5", BETTER, "three", once, items=[7, 999]).reason == "items-seen-before"


def test_a_promotion_by_the_same_items_counts_in_another_family_as_well(store, looks):
    assert look(looks, "a", BETTER, items=range(300)).promote
    again = look(Looks(store, "other"), "b", BETTER, items=range(200, 500), loop="other")
    assert (again.seen, again.seen_promoted) == (1, 1)


def test_looks_of_another_loop_at_other_items_of_another_family_are_not_on_the_account(store, looks):
    look(looks, "a", WORSE, items=range(300))
    other = look(Looks(store, "other"), "b", WORSE, items=range(300, 600), loop="other")
    assert (other.look, other.seen, other.wealth) == (1, 0, 1.0)


def test_a_new_import_does_not_give_a_loop_its_error_back(store, looks):
    first = look(looks, "a", WORSE, items=range(300))
    second = look(Looks(store, "other"), "b", WORSE, items=range(300, 600))
    assert (second.look, second.seen, second.wealth) == (2, 0, pytest.approx(1 - first.lost))


def test_of_two_looks_at_once_in_two_families_each_knows_of_the_other(store, looks):
    facts = {"holdout": "one", "folds": 1}
    both = [(one, one.take("k", facts, marks("one"))) for one in (looks, Looks(store, "other"))]
    assert [one.standing(number, POLICY, facts, marks("one")).seen for one, number in both] == [1, 1]


def test_a_drawn_set_of_fresh_items_has_seen_none_of_the_one_before(tmp_path):
    sets = []
    for salt in ("round 1", "round 2"):
        drawn = tinyworld_set(
            open_store(str(tmp_path)), salt=salt, config=PromptsConfig(holdout=60), splits=["holdout"], name=salt
        )
        sets.append(marks(*(row.split_key for row in open_part(open_store(str(tmp_path)), drawn, "holdout").rows())))
    assert len(sets[0]) == len(sets[1]) == 60
    assert sets[0].isdisjoint(sets[1])


def test_looks_at_other_folds_are_at_other_items_also_where_the_set_has_grown(looks):
    five = PromoteConfig(holdout=HoldoutConfig(folds=5), min_items=10)
    for number in range(5):
        found = look(looks, f"k{number}", WORSE, f"set {number}", five, items=range(300 + number))
        assert found.seen == 0
    assert look(looks, "again", WORSE, "set 9", five, items=range(310)).seen == 1
    assert look(looks, "whole", WORSE, "set 9", items=range(310)).seen == 6


def test_a_look_that_does_not_say_what_it_saw_is_believed_to_have_seen_the_worst(store, looks):
    old = Ledger(store, "looks/family")
    old.append_once("a", {})
    old.append_once("b", {"holdout": "one", "folds": 4})
    old.append_once("c", {"holdout": "two", "folds": 4})
    Ledger(store, "looks/other").append_once("d", {"holdout": "one"})
    facts = {"holdout": "one", "folds": 4}
    assert looks.standing(4, POLICY, facts, marks("x")).seen == 3


def test_items_are_kept_once_and_a_change_of_them_is_found(store):
    digest = Items(store).keep(marks(1, 2, 3))
    assert Items(store).keep(marks(3, 2, 1)) == digest
    assert Items(store).read(digest) == marks(1, 2, 3)
    assert frozenset().union(*(fold(marks(1, 2, 3), look, 4) for look in range(1, 5))) == marks(1, 2, 3)
    store.put(f"looks/items/{digest}.json", b"[]")
    with pytest.raises(StoreError, match="looks cannot be counted"):
        Items(store).read(digest)


def test_a_suites_own_names_are_its_own_and_a_picture_is_the_same_everywhere():
    assert mark_of("12", "pope") != mark_of("12", "docvqa") != mark_of("12")
    assert mark_of("a" * 64, "pope") == mark_of("a" * 64)
