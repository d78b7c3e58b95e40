"""The gate's guards: what must not get worse, however much better a candidate is on the whole."""

from __future__ import annotations

import pytest

from ratchet.recipe import GuardsConfig, PromoteConfig
from ratchet.registry.gate import GateDecision, decide
from tests.unit.registry.rows import both, outcome, outcomes

POLICY = PromoteConfig()
UNGUARDED = PromoteConfig(guards=GuardsConfig(skill=None, chair_i=None, pass_at_k=None, yes_ratio=None))


def guard(decision: GateDecision, name: str):
    return next(g for g in decision.guards if g.name == name)


def test_a_skill_that_got_worse_stops_a_candidate_that_is_better_on_the_whole():
    rows = outcomes(wins=200, losses=40, right=400)
    rows += [r for n in range(2000, 2200) for r in both(n, n % 5 != 0, True, skill="ocr")]
    found = decide(rows, POLICY, look=1)
    assert (found.promote, found.reason) == (False, "guard-failed")
    worse = guard(found, "skill:ocr")
    assert (worse.passed, worse.n, worse.candidate, worse.champion) == (False, 200, 0.8, 1.0)
    assert worse.bound < worse.delta == pytest.approx(-0.2)
    assert guard(found, "skill:count").passed
    assert "Guard skill:ocr fails: accuracy of ocr is 80.0%, the champion's 100.0%" in " ".join(found.sentences)


def test_a_skill_with_too_few_items_is_not_waved_through():
    rows = outcomes(wins=60, losses=20) + [r for n in range(2000, 2010) for r in both(n, True, True, skill="rare")]
    rare = guard(decide(rows, POLICY, look=1), "skill:rare")
    assert (rare.passed, rare.n, rare.delta) == (False, 10, 0.0)


def captions(hallucinated: int, other: int):
    return [
        row
        for n in range(3000, 3200)
        for row in (
            outcome(n, "candidate", True, skill="caption", mentioned=4, hallucinated=hallucinated),
            outcome(n, "champion", True, skill="caption", mentioned=4, hallucinated=other),
        )
    ]


def test_more_hallucinated_objects_fail_the_chair_guard():
    found = decide(outcomes(wins=60, losses=20) + captions(1, 0), POLICY, look=1)
    chair = guard(found, "chair_i")
    assert (chair.passed, chair.candidate, chair.champion, chair.n) == (False, 0.25, 0.0, 200)
    assert chair.bound > chair.delta == 0.25
    assert found.reason == "guard-failed"
    assert guard(decide(outcomes(wins=60, losses=20) + captions(1, 1), POLICY, look=1), "chair_i").passed


def sampled(right: int, other: int):
    rows = []
    for n in range(4000, 4300):
        rows.append(outcome(n, "candidate", True, samples=4, samples_correct=right if n % 2 else 4))
        rows.append(outcome(n, "champion", True, samples=4, samples_correct=other if n % 2 else 4))
    return rows


def test_lost_diversity_fails_the_pass_at_k_guard():
    found = guard(decide(outcomes(wins=60, losses=20) + sampled(0, 1), POLICY, look=1), "pass_at_k")
    assert (found.metric, found.passed, found.candidate, found.champion) == ("pass@4", False, 0.5, 1.0)
    assert guard(decide(outcomes(wins=60, losses=20) + sampled(1, 1), POLICY, look=1), "pass_at_k").passed


def test_an_item_that_lacks_a_sample_is_left_out_and_does_not_blunt_the_pass_at_k_guard():
    def shorten(rows, count):
        return [
            r.model_copy(update={"samples": 1, "samples_correct": 1}) if n < 2 * count else r
            for n, r in enumerate(rows)
        ]

    few = guard(decide(outcomes(60, 20) + shorten(sampled(0, 1), 1), POLICY, look=1), "pass_at_k")
    assert (few.metric, few.passed, few.n) == ("pass@4", False, 299)
    many = guard(decide(outcomes(60, 20) + shorten(sampled(1, 1), 16), POLICY, look=1), "pass_at_k")
    assert (many.passed, many.n) == (False, 0)
    assert "16 of 300 items have fewer than 4 scored samples" in many.note


def asked(says_yes: float, said_yes: float):
    rows = []
    for n in range(5000, 5400):
        true, share = n % 2 == 0, (n - 5000) / 400
        rows.append(outcome(n, "candidate", True, yes=share < says_yes, truth_yes=true))
        rows.append(outcome(n, "champion", True, yes=share < said_yes, truth_yes=true))
    return rows


@pytest.mark.parametrize(
    ("ours", "theirs", "passed"), [(0.9, 0.5, False), (0.1, 0.5, False), (0.5, 0.9, True), (0.52, 0.5, True)]
)
def test_a_growing_bias_to_yes_or_to_no_fails_the_yes_guard(ours, theirs, passed):
    found = guard(decide(outcomes(wins=60, losses=20) + asked(ours, theirs), POLICY, look=1), "yes_ratio")
    assert found.passed is passed
    assert found.candidate == pytest.approx(abs(ours - 0.5))
    assert found.champion == pytest.approx(abs(theirs - 0.5))
    assert found.bound >= found.delta


def test_a_metric_that_neither_has_is_not_guarded_and_one_that_only_one_has_fails():
    found = decide(outcomes(wins=60, losses=20), POLICY, look=1)
    assert guard(found, "chair_i").note == "is not measured: no item has it"
    assert "so not guarded: chair_i, pass_at_k, yes_ratio" in " ".join(found.sentences)
    rows = outcomes(wins=60, losses=20)
    lost = [r.model_copy(update={"mentioned": 3, "hallucinated": 0}) if r.role == "champion" else r for r in rows]
    found = decide(lost, POLICY, look=1)
    assert (found.promote, found.reason) == (False, "guard-failed")
    assert "missing for the candidate" in guard(found, "chair_i").note


def test_switched_off_guards_are_absent():
    found = decide(outcomes(wins=60, losses=20), UNGUARDED, look=1)
    assert found.guards == ()
    assert "All guards are switched off." in found.sentences
