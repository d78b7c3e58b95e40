"""What an audit finds is what a verifier was scripted to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.recipe import VerifyConfig
from ratchet.records import Verdict
from ratchet.verify import VERIFIERS
from ratchet.verify.audit.auditing import audit
from ratchet.verify.audit.result import COIN, CONSTANT
from ratchet.verify.panel import Panel
from ratchet.verify.protocol import Pace
from ratchet.verify.rules import RULE_BUILDERS
from tests.unit.verify.audit.scripted import (
    OTHER_MODEL,
    OWN_MODEL,
    Comparing,
    Scripted,
    audit_of,
    audited,
    erring,
    is_right,
    slice_of,
)


def test_gold_is_counted_as_accepted_and_corrupted_gold_as_rejected() -> None:
    slice_ = slice_of(30)
    found = audited(VERIFIERS["numeric"], slice_)
    assert (found.gold.n, found.gold.passed) == (30, 30)
    assert set(found.forms) == {"tagged", "boxed", "sentence", "punctuated"}
    assert all(one.passed == one.n == 30 for one in found.forms.values())
    assert found.corruptions["rule_numeric"].rejected == 30
    assert found.corruptions["in_a_sentence"].rejected == 30
    assert found.corrupted.rejected == found.corrupted.n == sum(one.n for one in found.corruptions.values())


def test_a_verifier_that_accepts_every_corruption_and_no_form_is_told_so() -> None:
    found = audited(Scripted(lambda p, c: c.text != p.reference and is_right(p, c) is False), slice_of(20))
    assert found.gold.passed == 0
    assert found.gold.rejected == 20
    assert found.corrupted.passed == found.corrupted.n


def test_every_answer_is_in_one_cell_by_truth_and_verdict() -> None:
    slice_ = slice_of(50)
    never_sure = Scripted(lambda p, c: None if c.index == 0 else is_right(p, c))
    found = audited(never_sure, slice_).answers
    assert found.unscored == 50
    assert found.false_positives == found.false_negatives == 0
    assert found.n == 200 == found.true_positives + found.true_negatives + found.unscored
    assert found.unscored_right == sum(case.rights[0] is True for case in slice_.cases)


def test_a_right_answer_that_is_left_unscored_is_not_recalled() -> None:
    found = audited(Scripted(lambda p, c: None if c.index else is_right(p, c)), slice_of(50))
    assert found.recall.share == pytest.approx(
        found.answers.true_positives / (found.base_rate.n * found.base_rate.share), abs=1e-5
    )
    assert found.precision.share == 1


@settings(max_examples=6, deadline=None)
@given(rate=st.sampled_from((0.0, 0.1, 0.2, 0.4)), right=st.floats(0.2, 0.8), seed=st.integers(0, 10**6))
def test_a_verifier_that_errs_at_a_known_rate_has_its_precision_and_recall_within_wide_intervals(
    rate: float, right: float, seed: int
) -> None:
    found = audited(erring(rate, seed), slice_of(60, right=right, seed=seed))
    base = found.base_rate.share or 0.0
    precision = base * (1 - rate) / (base * (1 - rate) + (1 - base) * rate)
    # Twice the interval: 6 examples of two 95% intervals would leave one out by chance.
    for share, truth in ((found.precision, precision), (found.recall, 1 - rate)):
        centre, half = (share.low + share.high) / 2, share.high - share.low
        assert centre - half <= truth <= centre + half


def test_twenty_per_cent_errors_are_within_the_reported_interval() -> None:
    slice_ = slice_of(400, right=0.5, seed=1)
    found = audited(erring(0.2, 1), slice_)
    assert found.precision.low < 0.8 < found.precision.high
    assert found.precision.high - found.precision.low < 0.08
    assert found.better_than_constant


def test_the_baselines_have_the_base_rate_as_their_precision() -> None:
    result = audit_of([erring(0.2, 0)], slice_of(300, right=0.3, seed=2))
    constant, coin = result.of(CONSTANT), result.of(COIN)
    assert constant is not None
    assert coin is not None
    assert constant.precision == constant.base_rate
    assert constant.recall.share == 1
    assert coin.precision.low < 0.3 < coin.precision.high
    assert coin.recall.low < 0.3 < coin.recall.high
    assert not constant.better_than_constant
    assert not coin.better_than_constant
    assert [one.family for one in result.verifiers] == ["rule", "policy", "baseline", "baseline"]


def test_the_verdicts_together_are_judged_as_the_recipes_policy_says() -> None:
    strict = Scripted(lambda p, c: is_right(p, c) and c.index % 2 == 0, name="strict")
    lax = Scripted(lambda p, c: True, name="lax")
    slice_ = slice_of(60)
    for policy, threshold, alike in (("all", 1.0, "strict"), ("mean", 0.5, "lax")):
        config = VerifyConfig(policy=policy, threshold=threshold)  # type: ignore[arg-type]
        result = audit_of([strict, lax], slice_, config=config)
        together, one = result.of("combined"), result.of(alike)
        assert together is not None
        assert one is not None
        assert together.answers == one.answers
        assert together.version == policy


def test_a_verifier_whose_verdicts_cost_sees_few_probes_and_all_answers() -> None:
    slow = Scripted(is_right, pace=Pace(limited=False), tokens=3)
    found = audited(slow, slice_of(40))
    assert found.answers.n == 160
    assert found.gold.n == 40
    assert sum(one.n for one in found.forms.values()) == 40
    assert 40 <= found.corrupted.n <= 80
    assert found.tokens_per_verdict == 3


def test_a_crash_is_an_unscored_answer_and_counted_as_an_error() -> None:
    def says(prompt: object, completion: object) -> bool:
        raise ZeroDivisionError("boom")

    found = audited(Scripted(says), slice_of(5))  # type: ignore[arg-type]
    assert found.answers.unscored == found.answers.n == 20
    assert found.errors == found.verdicts
    assert found.precision.share is None
    assert not found.better_than_constant


def test_a_preference_for_the_answer_that_is_read_first_shows_as_order_bias() -> None:
    slice_ = slice_of(100)
    shares = {}
    for first in (0.0, 0.5, 1.0):
        found = audited(Comparing(first), slice_).order_bias
        assert found is not None
        shares[first] = found
    assert shares[0.0].share == 0
    assert shares[1.0].share == 1
    assert shares[0.5].low < 0.5 < shares[0.5].high
    assert audited(VERIFIERS["numeric"], slice_).order_bias is None


def test_comparisons_that_their_verifier_itself_calls_inconsistent_are_order_bias_too() -> None:
    class Honest(Comparing):
        def _verdict(self, group: object, place: int) -> Verdict:
            return Verdict(verifier=self.name, version="1", reason="inconsistent", versus=1 - place)

    found = audited(Honest(0.0), slice_of(20, k=2)).order_bias
    assert found is not None
    assert found.share == 1


def test_passing_long_wrong_answers_shows_as_length_bias_and_being_unbiased_does_not() -> None:
    slice_ = slice_of(100)
    wordy = audited(Scripted(lambda p, c: is_right(p, c) or len(c.text) > 5), slice_).length_bias
    terse = audited(Scripted(lambda p, c: is_right(p, c) or len(c.text) <= 5), slice_).length_bias
    fair = audited(erring(0.3, 0), slice_).length_bias
    assert wordy is not None
    assert terse is not None
    assert fair is not None
    assert wordy.there
    # Two long ones of other lengths pass alike.
    assert (wordy.value or 0) > 0.8
    assert (terse.value or 0) < -0.8
    assert not fair.there
    assert fair.n > 100


def test_passing_ones_own_wrong_answers_shows_as_self_preference_and_being_fair_does_not() -> None:
    slice_ = slice_of(100, k=3, models=(OWN_MODEL, OTHER_MODEL))
    own = frozenset({OWN_MODEL})
    vain = Scripted(lambda p, c: is_right(p, c) or c.model == OWN_MODEL)
    found = audited(vain, slice_, own).self_preference
    assert found is not None
    assert found.there
    assert 0.3 < (found.value or 0) < 0.7  # right answers pass whoever wrote them
    fair = audited(erring(0.3, 0), slice_, own).self_preference
    assert fair is not None
    assert not fair.there
    assert audited(vain, slice_of(20), own).self_preference is None


def test_a_verifier_that_only_scores_is_measured_by_how_it_ranks() -> None:
    class Scoring(Scripted):
        def _verdict(self, prompt: object, completion: object) -> Verdict:
            found = super()._verdict(prompt, completion)  # type: ignore[arg-type]
            return found.model_copy(update={"passed": None, "score": 0.6 if found.passed else 0.4})

    found = audited(Scoring(is_right), slice_of(50))
    assert found.precision.share is None
    assert found.ranking.share == 1
    assert audited(Scripted(lambda p, c: True), slice_of(50)).ranking.share == 0.5


def test_the_same_slice_gives_the_same_record_but_for_the_clock() -> None:
    first, again = (audit_of([erring(0.2, 3), Comparing(0.5)], slice_of(40)) for _ in range(2))
    assert first.without_seconds() == again.without_seconds()
    assert first.verifiers[0].seconds_per_verdict is not None


def _rules(config: VerifyConfig) -> Panel:
    return Panel(
        tuple(one.called for one in config.chosen),
        {one.called: RULE_BUILDERS[one.name](one, None) for one in config.chosen},
    )


@pytest.mark.parametrize(
    ("numeric", "truth", "is_truth"),
    [
        ({"name": "numeric"}, "prompt", True),
        ({"name": "numeric", "tolerance": 0.5}, "prompt", False),
        ({"name": "numeric", "label": "loose", "tolerance": 0.5}, "prompt", False),
        ({"name": "numeric"}, "world", False),
    ],
)
def test_only_the_verifier_that_says_what_is_right_is_right_by_definition(
    numeric: dict[str, object], truth: str, is_truth: bool
) -> None:
    config = VerifyConfig.model_validate({"verifiers": [numeric]})
    result = audit(_rules(config), replace(slice_of(10), truth=truth), config)  # type: ignore[arg-type]
    assert result.verifiers[0].is_truth == is_truth
