"""What a look may err with, and that all looks together err with no more than alpha."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ratchet.recipe import HoldoutConfig, PromoteConfig, SpendingConfig
from ratchet.registry.spending import Standing, level, lost, share, stake

PLANS = [
    SpendingConfig(),
    SpendingConfig(kind="geometric"),
    SpendingConfig(kind="geometric", ratio=0.5),
    SpendingConfig(kind="equal", rounds=7),
]
WEALTH = PromoteConfig(test="betting", spending=SpendingConfig(kind="wealth"), holdout=HoldoutConfig(reuse="refused"))


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_the_shares_of_all_turns_add_up_to_one_and_never_grow(plan):
    shares = [share(plan, turn) for turn in range(1, 20_000)]
    assert 0.999 < sum(shares) <= 1 + 1e-12
    assert shares == sorted(shares, reverse=True)


def test_after_the_planned_rounds_nothing_is_left():
    assert share(PLANS[3], 7) == pytest.approx(1 / 7)
    assert share(PLANS[3], 8) == 0.0


def test_on_fresh_items_a_promotion_costs_nothing_and_a_refusal_its_stake():
    policy = PromoteConfig()
    assert level(policy, Standing(look=5, promoted=3)) == level(policy, Standing(look=2))
    assert lost(policy, Standing(look=5, promoted=3), promoted=True) == 0.0
    assert lost(policy, Standing(look=2), promoted=False) == stake(policy, Standing(look=2))


def test_on_items_that_were_seen_every_look_costs_its_stake_and_pays_for_its_histories():
    policy = PromoteConfig()
    again = Standing(look=5, promoted=2, seen=4, seen_promoted=2)
    assert again.histories == math.comb(4, 2) * 3 * 4
    assert level(policy, again) == pytest.approx(level(policy, Standing(look=5)) / again.histories)
    assert lost(policy, again, promoted=True) == stake(policy, again)
    assert Standing(look=9, seen=8).histories == 2.0


def test_more_histories_than_can_be_counted_leave_nothing_to_spend():
    assert level(PromoteConfig(), Standing(look=3001, promoted=1500, seen=3000, seen_promoted=1500)) == 0.0


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_over_the_whole_tree_of_histories_on_one_set_no_more_than_alpha_is_spent(plan):
    """Every way in which ten looks at the same items can have ended, and what each place may spend."""
    policy = PromoteConfig(spending=plan)
    total = 0.0
    for look in range(1, 11):
        for bits in itertools.product((0, 1), repeat=look - 1):
            total += level(policy, Standing(look, sum(bits), look - 1, sum(bits)))
    assert 0.4 * policy.alpha < total <= policy.alpha * (1 + 1e-12)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=60),
    st.sampled_from([*[PromoteConfig(spending=plan) for plan in PLANS], WEALTH]),
)
def test_along_any_loop_the_levels_of_refused_looks_never_exceed_alpha(looks, policy):
    """The account of a loop: what is staked and lost is never more than there is."""
    standing, gone = Standing(), 0.0
    for promoted, e_value in looks:
        assert 0 <= level(policy, standing) <= policy.alpha * standing.wealth + 1e-15
        cost = lost(policy, standing, promoted, e_value)
        assert (cost == 0.0) if promoted else (0 <= cost <= stake(policy, standing))
        gone += cost
        standing = Standing(standing.look + 1, standing.promoted + promoted, wealth=max(standing.wealth - cost, 0.0))
    assert gone <= 1 + 1e-9


def test_a_bet_that_was_lost_narrowly_loses_little():
    first = Standing()
    assert stake(WEALTH, first) == 0.5
    assert lost(WEALTH, first, False, 0.9) == pytest.approx(0.05)
    assert lost(WEALTH, first, False, 12.0) == 0.0
    assert level(WEALTH, Standing(look=2, wealth=0.95)) == pytest.approx(0.05 * 0.95 / 3)


def test_what_another_policy_has_spent_is_gone():
    assert stake(PromoteConfig(), Standing(look=1, wealth=0.1)) == 0.1
    assert stake(PromoteConfig(), Standing(look=2, wealth=0.0)) == 0.0


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"kind": "equal"}, "`rounds` is needed by `equal`"),
        ({"kind": "series", "rounds": 3}, "read by nothing else"),
        ({"kind": "series", "ratio": 0.5}, "`ratio` is read by `geometric` only"),
    ],
)
def test_a_plan_that_says_too_much_or_too_little_is_refused(given_, said):
    with pytest.raises(ValidationError, match=said):
        SpendingConfig(**given_)


def test_wealth_needs_bets_on_fresh_items():
    with pytest.raises(ValidationError, match="set test: betting and holdout"):
        PromoteConfig(spending=SpendingConfig(kind="wealth"))


@pytest.mark.parametrize("values", [(0,), (2, 2), (3, 0, 3), (3, 0, 2, 3)])
def test_an_impossible_standing_is_refused(values):
    with pytest.raises(ValueError, match="look"):
        Standing(*values)
