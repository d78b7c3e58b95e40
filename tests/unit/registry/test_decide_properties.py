"""What must hold of every decision, whatever the evidence."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.recipe import GuardsConfig, HoldoutConfig, PrimaryConfig, PromoteConfig, SpendingConfig
from ratchet.registry.gate import decide
from ratchet.registry.spending import Standing
from tests.unit.registry.rows import both, outcome

NO_GUARDS = GuardsConfig(skill=None, chair_i=None, pass_at_k=None, yes_ratio=None)
POLICIES = [
    PromoteConfig(min_items=20, guards=NO_GUARDS, test=test, alpha=0.2, primary=PrimaryConfig(measure=measure))
    for test in ("auto", "exact", "betting")
    for measure in ("accuracy", "score")
]
BETS = PromoteConfig(
    min_items=20,
    guards=NO_GUARDS,
    test="betting",
    alpha=0.2,
    spending=SpendingConfig(kind="wealth"),
    holdout=HoldoutConfig(reuse="refused"),
)
VERDICT = st.sampled_from([True, False, None])
# Clear evidence is rare by chance: mostly wins, so that many examples are promoted.
MARKS = st.lists(
    st.tuples(st.sampled_from([(True, False)] * 4 + [(True, True), (False, False), (False, True), (None, True), (True, None)]), st.integers(0, 40)),
    min_size=20,
    max_size=60,
)  # fmt: skip


def rows(marks):
    return [r for n, ((a, b), c) in enumerate(marks) for r in both(n, a, b, split_key=f"i{c}")]


@settings(deadline=None, max_examples=80)
@given(MARKS, st.sampled_from([*POLICIES, BETS]), st.integers(0, 59))
def test_one_more_win_never_takes_a_promotion_back(marks, policy, chosen):
    chosen %= len(marks)
    (_, theirs), cluster = marks[chosen]
    more = [*marks[:chosen], ((True, theirs), cluster), *marks[chosen + 1 :]]
    before, after = decide(rows(marks), policy, 1), decide(rows(more), policy, 1)
    assert after.p_value <= before.p_value * (1 + 1e-9)
    assert after.promote or not before.promote


@settings(deadline=None, max_examples=40)
@given(MARKS, st.sampled_from(POLICIES), st.randoms(use_true_random=False))
def test_the_order_of_the_outcomes_does_not_matter(marks, policy, random):
    given_ = rows(marks)
    shuffled = random.sample(given_, len(given_))
    assert decide(shuffled, policy, 2) == decide(given_, policy, 2)


@settings(deadline=None, max_examples=80)
@given(MARKS, st.sampled_from(POLICIES), st.integers(0, 59), st.booleans())
def test_a_verdict_that_goes_missing_for_one_model_never_helps(marks, policy, chosen, ours):
    chosen %= len(marks)
    (a, b), cluster = marks[chosen]
    pair = (None, b if b is not None else True) if ours else (a if a is not None else True, None)
    less = [*marks[:chosen], (pair, cluster), *marks[chosen + 1 :]]
    if None in (a, b):
        return
    before, after = decide(rows(marks), policy, 1), decide(rows(less), policy, 1)
    assert after.p_value >= before.p_value * (1 - 1e-9)
    assert before.promote or not after.promote


@settings(deadline=None, max_examples=60)
@given(MARKS, st.sampled_from(POLICIES), st.integers(1, 30), st.integers(0, 29))
def test_the_same_evidence_promotes_less_the_more_was_looked_before(marks, policy, look, seen):
    fresh = decide(rows(marks), policy, Standing(look))
    again = decide(rows(marks), policy, Standing(look, seen=min(seen, look - 1)))
    later = decide(rows(marks), policy, Standing(look + 1))
    assert later.alpha_spent <= fresh.alpha_spent
    assert again.alpha_spent <= fresh.alpha_spent
    assert fresh.promote or not (again.promote or later.promote)


@settings(deadline=None, max_examples=40)
@given(MARKS)
def test_items_that_neither_model_has_a_verdict_on_change_no_p_value(marks):
    blank = [r for n in range(900, 903) for r in both(n, None, None)]
    with_, without = decide(rows(marks) + blank, POLICIES[0], 1), decide(rows(marks), POLICIES[0], 1)
    assert with_.p_value == without.p_value
    assert with_.unscored == without.unscored + 3


def test_a_broken_verifier_is_no_evidence_at_all():
    nothing = [r for n in range(400) for r in both(n, None, None)]
    found = decide(nothing, PromoteConfig(), 1)
    assert (found.promote, found.reason, found.p_value, found.unscored) == (False, "too-few-items", 1.0, 400)
    unparsed = [
        r.model_copy(update={"unparsed": r.role == "candidate"}) for n in range(400) for r in both(n, False, n % 2 == 0)
    ]
    assert decide(unparsed, PromoteConfig(), 1).reason == "not-better"


def test_a_champion_that_cannot_be_read_is_not_beaten_by_that_alone():
    """A verifier that crashes on the champion's answers makes no winner."""
    crashed = [
        r
        for n in range(400)
        for r in (outcome(n, "candidate", True), outcome(n, "champion", None if n < 300 else True))
    ]
    assert not decide(crashed, PromoteConfig(), 1).promote
