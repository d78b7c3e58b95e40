"""The gate's decisions: when it promotes, why it refuses, what it may err."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet import canonical
from ratchet.errors import RegistryError
from ratchet.recipe import GuardsConfig, PrimaryConfig, PromoteConfig
from ratchet.registry.gate import DECISIONS, GateDecision, decide
from ratchet.registry.spending import Standing, level
from ratchet.statistics import mcnemar_exact
from tests.unit.registry.rows import both, outcome, outcomes

POLICY = PromoteConfig()
UNGUARDED = PromoteConfig(guards=GuardsConfig(skill=None, chair_i=None, pass_at_k=None, yes_ratio=None))


def test_a_clear_gain_is_promoted_with_its_numbers():
    found = decide(outcomes(wins=60, losses=20), POLICY, look=1)
    assert found.promote
    assert found.reason == "better"
    assert (found.wins, found.losses, found.n_items, found.clusters) == (60, 20, 380, 380)
    assert found.delta.delta == pytest.approx(40 / 380)
    assert found.delta.low > 0
    assert found.test == "mcnemar"
    assert found.p_value == pytest.approx(mcnemar_exact(60, 20))
    assert found.alpha_spent == pytest.approx(0.05 * 6 / math.pi**2)
    assert found.candidate.value == pytest.approx(260 / 380)
    assert found.candidate.low < found.candidate.value < found.candidate.high
    assert found.sentences[-1] == "Promote."
    assert "60 items only the candidate got right, 20 only the champion" in " ".join(found.sentences)


def test_the_same_evidence_is_not_enough_at_a_later_look():
    rows = outcomes(wins=41, losses=22)
    assert mcnemar_exact(41, 22) == pytest.approx(0.0111, abs=1e-3)
    assert decide(rows, POLICY, look=1).promote
    late = decide(rows, POLICY, look=3)
    assert (late.promote, late.reason) == (False, "not-better")
    assert "This is look 3" in " ".join(late.sentences)


def test_an_empty_account_is_told_as_the_stake_that_was_taken():
    rows = outcomes(wins=41, losses=22)
    said = " ".join(decide(rows, POLICY, Standing(look=3, seen=2, wealth=0.0)).sentences)
    assert "p may be at most 0: alpha 0.05 times 0, which is all that is left" in said
    assert "(6 / (pi^2 x 3^2) was planned)" in said
    assert "Of the account's error 0 was left before it, and 0 is left after it." in said
    fresh = " ".join(decide(rows, POLICY, look=1).sentences)
    assert "alpha 0.05 times 6 / (pi^2 x 1^2). Of the account's error 1 was left" in fresh


def test_the_error_of_all_looks_together_is_alpha():
    total = sum(level(POLICY, Standing(look)) for look in range(1, 20_000))
    assert 0.0499 < total < 0.05
    with pytest.raises(ValueError, match="look 0"):
        Standing(0)


@pytest.mark.parametrize(
    ("rows", "reason", "said"),
    [
        ([], "too-few-items", "No item has a verdict"),
        (outcomes(wins=30, losses=0, right=50, wrong=50), "too-few-items", "promote.min_items asks for 200"),
        (outcomes(wins=20, losses=20), "not-better", "not proved"),
        (outcomes(wins=0, losses=0), "not-better", "not proved"),
        (outcomes(wins=10, losses=60), "not-better", "Guard skill:count fails"),
    ],
)
def test_bad_evidence_is_refused_with_its_reason(rows, reason, said):
    found = decide(rows, POLICY, look=1)
    assert (found.promote, found.reason) == (False, reason)
    assert said in " ".join(found.sentences)
    assert found.sentences[-1].startswith("Refuse: ")


def test_too_many_items_without_a_verdict_are_refused_and_few_are_left_out_for_both():
    rows = outcomes(wins=60, losses=20)
    few = [row for number in range(1000, 1015) for row in both(number, None, True)]
    found = decide(rows + few, POLICY, look=1)
    assert (found.promote, found.n_items, found.unscored) == (True, 380, 15)
    many = [row for number in range(1000, 1030) for row in both(number, None, True)]
    found = decide(rows + many, POLICY, look=1)
    assert (found.promote, found.reason, found.unscored) == (False, "too-many-unscored", 30)
    assert "could hide a loss" in " ".join(found.sentences)


def test_a_gain_below_the_least_gain_is_refused():
    found = decide(outcomes(wins=40, losses=5, right=2000), PromoteConfig(min_gain=0.03), look=1)
    assert (found.promote, found.reason) == (False, "below-min-gain")
    assert "promote.min_gain, 3.0%" in " ".join(found.sentences)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ([outcome(9000, "candidate", True)], "1 items of the evaluation were answered by the candidate only"),
        ([outcome(9000, "champion", True)], "answered by the champion only"),
        ([outcome(0, "champion", True)], "more than once"),
        ([outcome(9000, "candidate", True, skill="a"), outcome(9000, "champion", True, skill="b")], "another skill"),
        ([outcome(9000, "candidate", True, split_key="a"), outcome(9000, "champion", True)], "another split_key"),
    ],
)
def test_rows_of_different_items_are_an_error_that_names_them(broken, said):
    with pytest.raises(RegistryError, match=said) as error:
        decide([*outcomes(wins=60, losses=20), *broken], POLICY, look=1)
    assert "p0" in str(error.value)


def test_items_of_one_picture_are_one_cluster():
    rows = [
        row for n in range(600) for row in both(n, n % 20 < 12, n % 20 >= 12 and n % 20 < 16, split_key=f"i{n // 20}")
    ]
    flipped = UNGUARDED.model_copy(update={"test": "exact"})
    found = decide(rows, flipped, look=1)
    assert (found.test, found.clusters, found.n_items) == ("sign-flip", 30, 600)
    assert found.p_value == pytest.approx(0.5**30)
    lucky = [row for n in range(600) for row in both(n, n < 60, False, split_key=f"i{n // 20}")]
    assert mcnemar_exact(60, 0) < 1e-15
    assert decide(lucky, flipped, look=1).p_value == pytest.approx(1 / 8)


def test_by_default_items_that_share_a_picture_and_fractional_scores_are_bet_on_and_others_tested_exactly():
    alone, pairs = (outcomes(60, 20), [r for n in range(400) for r in both(n, n < 80, False, split_key=f"i{n // 2}")])
    scored = [
        r for n in range(400) for r in (outcome(n, "candidate", False, score=0.5), outcome(n, "champion", False, score=0.4))
    ]  # fmt: skip
    score = UNGUARDED.model_copy(update={"primary": PrimaryConfig(measure="score")})
    proved = UNGUARDED.model_copy(update={"min_gain": 0.01, "min_gain_rule": "proved"})
    for rows, policy, test in [
        (alone, UNGUARDED, "mcnemar"),
        (alone, score, "mcnemar"),
        (pairs, UNGUARDED, "betting"),
        (scored, score, "betting"),
        (alone, proved, "betting"),
    ]:
        assert decide(rows, policy, look=1).test == test


def test_the_sentences_say_what_the_promise_takes_for_granted():
    rows = [r for n in range(400) for r in both(n, n < 80, False, split_key=f"i{n // 2}")]
    told = {
        test: " ".join(decide(rows, UNGUARDED.model_copy(update={"test": test}), look=1).sentences)
        for test in ("auto", "exact", "bootstrap")
    }
    assert "stays below 5.0% whatever candidates were chosen by." in told["auto"]
    assert "wherever a picture lost is as likely as one won" in told["exact"]
    assert "is not bounded" in told["bootstrap"]
    assert "stays below" not in told["bootstrap"]


def test_the_bootstrap_is_repeatable_and_fine_enough_for_late_looks():
    policy = UNGUARDED.model_copy(update={"test": "bootstrap"})
    rows = outcomes(wins=60, losses=20)
    found = decide(rows, policy, look=10)
    assert found == decide(rows, policy, look=10)
    assert (found.test, found.promote) == ("bootstrap", True)
    assert found.p_value < found.alpha_spent / 5
    assert not decide(outcomes(wins=30, losses=28), policy, look=1).promote


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from([True, False, None]), st.sampled_from([True, False, None]), st.integers(0, 30)),
        max_size=60,
    ),
    st.integers(1, 50),
)
def test_whatever_the_evidence_a_decision_comes_out_and_survives_storage(marks, look):
    rows = [r for n, (a, b, c) in enumerate(marks) for r in both(n, a, b, split_key=f"i{c}", skill=f"s{c % 3}")]
    found = decide(rows, PromoteConfig(min_items=1), look)
    assert 0 < found.p_value <= 1
    assert found.promote == (found.reason == "better")
    assert not found.promote or found.p_value <= found.alpha_spent
    assert GateDecision.model_validate_json(canonical.dumps(found.model_dump(mode="json"))) == found
    assert DECISIONS.rows(DECISIONS.table([found])) == [found]
    assert decide(reversed(rows), PromoteConfig(min_items=1), look) == found


def test_loops_of_candidates_that_are_no_better_promote_once_in_twenty_at_most():
    """20,000 loops of 25 looks at the boundary of the null, through the gate's own p and threshold."""
    rng = np.random.default_rng(11)
    loops, looks, items, disagree = 20_000, 25, 400, 0.15
    table = {}
    ever = np.zeros(loops, dtype=bool)
    for look in range(1, looks + 1):
        discordant = rng.binomial(items, disagree, size=loops)
        wins = rng.binomial(discordant, 0.5)
        for pair in {*zip(wins.tolist(), discordant.tolist(), strict=True)} - table.keys():
            table[pair] = mcnemar_exact(pair[0], pair[1] - pair[0])
        p = np.array([table[pair] for pair in zip(wins.tolist(), discordant.tolist(), strict=True)])
        ever |= p <= level(POLICY, Standing(look))
    assert 0.01 < ever.mean() <= 0.05


def test_decide_uses_that_p_and_that_threshold():
    for wins, losses, look in [(45, 22, 1), (45, 22, 2), (45, 22, 4), (33, 30, 1)]:
        found = decide(outcomes(wins, losses), UNGUARDED, look)
        assert found.promote == (mcnemar_exact(wins, losses) <= level(POLICY, Standing(look)))
