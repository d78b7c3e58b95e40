"""What the gate takes for evidence, and what it refuses to look at."""

from __future__ import annotations

import numpy as np
import pytest

from ratchet.errors import RegistryError
from ratchet.recipe import GuardsConfig, PrimaryConfig, PromoteConfig
from ratchet.registry.betting import e_value
from ratchet.registry.evidence import in_fold, side_by_side
from ratchet.registry.gate import decide, judge
from ratchet.registry.measured import suite_digest
from tests.unit.registry.rows import both, outcome, outcomes

NO_GUARDS = GuardsConfig(skill=None, chair_i=None, pass_at_k=None, yes_ratio=None)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.5])
def test_a_score_that_is_no_share_is_refused(score):
    rows = [*outcomes(60, 20), outcome(9000, "candidate", True, score=score), outcome(9000, "champion", True)]
    with pytest.raises(RegistryError, match="1 items of the evaluation have a score that is not a number from 0 to 1"):
        side_by_side(rows)


def test_items_of_a_suite_are_no_items_of_the_holdout():
    suite = [r for n in range(300) for r in both(n, True, False, suite="pope")]
    found = decide(outcomes(20, 20) + suite, PromoteConfig(), 1)
    assert (found.promote, found.n_items) == (False, 340)


def test_the_primary_may_be_a_suite_a_skill_or_the_mean_score():
    suite = [r for n in range(300) for r in both(n, n < 60, False, suite="pope", skill="random")]
    rows = outcomes(20, 20) + suite + [r for n in range(2000, 2300) for r in both(n, n < 2060, False, skill="ocr")]
    for primary, said in [
        (PrimaryConfig(suite="pope"), "items of pope"),
        (PrimaryConfig(skill="ocr"), "items of ocr"),
        (PrimaryConfig(skill="random", suite="pope"), "items of random of pope"),
    ]:
        found = decide(rows, PromoteConfig(primary=primary, guards=NO_GUARDS), 1)
        assert (found.promote, found.n_items, found.wins) == (True, 300, 60)
        assert said in found.sentences[0]
    scores = [
        row for n in range(400)
        for row in (outcome(n, "candidate", False, score=0.6 if n % 3 else 0.3), outcome(n, "champion", False, score=0.4))
    ]  # fmt: skip
    found = decide(scores, PromoteConfig(primary=PrimaryConfig(measure="score"), guards=NO_GUARDS), 1)
    assert (found.promote, found.test) == (True, "betting")
    assert "mean score" in found.sentences[0]
    assert not decide(scores, PromoteConfig(guards=NO_GUARDS), 1).promote


@pytest.mark.parametrize(
    ("primary", "said"),
    [
        (PrimaryConfig(suite="amber"), "the evaluation measured none"),
        (PrimaryConfig(skill="x"), "the items are of count"),
    ],
)
def test_a_primary_that_was_not_measured_is_an_error_that_says_what_was(primary, said):
    with pytest.raises(RegistryError, match=said):
        decide(outcomes(60, 20), PromoteConfig(primary=primary), 1)


def test_what_the_pool_shows_of_a_suite_is_no_evidence_for_it():
    policy = PromoteConfig(primary=PrimaryConfig(suite="pope"), guards=GuardsConfig(suites={"pope": 0.02}))
    learnt = [r for n in range(60) for r in both(n, True, False, suite="pope", shown="picture")]
    clean = [r for n in range(60, 300) for r in both(n, n % 2 > 0, n % 2 > 0, suite="pope")]
    assert decide(outcomes(20, 20) + [r.model_copy(update={"shown": None}) for r in learnt] + clean, policy, 1).promote
    found = decide(outcomes(20, 20) + learnt + clean, policy, 1)
    assert (found.promote, found.reason, found.n_items, found.wins) == (False, "not-better", 240, 0)
    assert found.guards[-1].n == 240
    assert "The pool shows 60 of the 300 items of pope (20.0%); they are left out." in found.sentences


def test_a_suite_of_which_the_pool_shows_all_says_nothing():
    shown = [r for n in range(300) for r in both(n, True, True, suite="pope", shown="prompt")]
    first = decide(outcomes(20, 20) + shown, PromoteConfig(primary=PrimaryConfig(suite="pope")), 1)
    assert (first.reason, first.n_items) == ("too-few-items", 0)
    guarded = decide(outcomes(60, 10) + shown, PromoteConfig(guards=GuardsConfig(suites={"pope": 0.02})), 1)
    assert (guarded.reason, guarded.guards[-1].passed) == ("guard-failed", False)
    assert "The pool shows 300 of the 300 items of pope (100.0%); they are left out." in guarded.sentences


def test_a_suite_may_be_guarded_and_must_then_be_measured():
    policy = PromoteConfig(guards=GuardsConfig(suites={"pope": 0.02}))
    worse = [r for n in range(2000) for r in both(n, n % 10 > 0, True, suite="pope")]
    same = [r for n in range(2000) for r in both(n, True, True, suite="pope")]
    found = decide(outcomes(60, 20) + worse, policy, 1)
    assert (found.reason, found.guards[-1].name, found.guards[-1].passed) == ("guard-failed", "suite:pope", False)
    assert decide(outcomes(60, 20) + same, policy, 1).promote
    missing = decide(outcomes(60, 20), policy, 1)
    assert "Guard suite:pope fails: score of pope was not measured" in " ".join(missing.sentences)


def test_a_least_gain_can_be_proved_and_not_only_measured():
    rows = outcomes(wins=70, losses=20, right=1000, wrong=1000)
    measured = PromoteConfig(min_gain=0.02, guards=NO_GUARDS)
    assert decide(rows, measured, 1).promote
    for test in ("auto", "exact", "bootstrap", "betting"):
        proved = measured.model_copy(update={"min_gain_rule": "proved", "test": test})
        found = decide(rows, proved, 1)
        assert (found.promote, found.reason) == (False, "not-better")
        assert decide(outcomes(wins=200, losses=20, right=1000, wrong=1000), proved, 1).promote
    assert "the true gain no more than 2.0%" in " ".join(found.sentences)


def test_folds_share_no_picture_and_together_are_everything():
    rows = [r for n in range(300) for r in both(n, True, False, split_key=f"i{n // 3}")]
    whole = side_by_side(rows)
    folds = [in_fold(whole, 4, look) for look in (1, 2, 3, 4)]
    keys = [fold.marks(PromoteConfig()) for fold in folds]
    assert sum(len(fold.holdout) for fold in folds) == 300
    assert frozenset().union(*keys) == whole.marks(PromoteConfig())
    assert all(not (a & b) for n, a in enumerate(keys) for b in keys[n + 1 :])
    assert all(len(fold.holdout) > 40 and len(fold.holdout) % 3 == 0 for fold in folds)
    assert in_fold(whole, 4, 5).marks(PromoteConfig()) == keys[0]
    grown = side_by_side(rows + both(999, True, False))
    assert in_fold(grown, 4, 2).marks(PromoteConfig()) >= keys[1]


def test_a_fold_without_an_item_of_the_primary_is_too_few_items():
    rows = [r for n in range(400) for r in both(n, True, False)] + both(999, True, False, skill="rare")
    rows += both(998, True, False, suite="pope")
    whole = side_by_side(rows)
    for primary in (PrimaryConfig(skill="rare"), PrimaryConfig(suite="pope")):
        policy = PromoteConfig(primary=primary)
        found = [judge(in_fold(whole, 4, look), policy, look) for look in (1, 2, 3, 4)]
        assert {one.reason for one in found} == {"too-few-items"}
        assert sorted(one.n_items for one in found) == [0, 0, 0, 1]


def test_a_suite_is_pinned_by_its_items_and_its_judge():
    results = {"suites": {"mmhal": {"digest": "d", "judge": {"prompt": "a"}, "candidate": {}, "champion": {}}}}
    other = {"suites": {"mmhal": {**results["suites"]["mmhal"], "judge": {"prompt": "b"}}}}
    assert suite_digest(results, "mmhal") == suite_digest(results, "mmhal") != suite_digest(other, "mmhal")
    with pytest.raises(RegistryError, match="does not say which items suite pope had"):
        suite_digest(results, "pope")


def test_a_bet_on_a_fair_game_does_not_grow_on_average():
    """Also one that a sign-flip test misreads: many small wins, few great losses."""
    rng = np.random.default_rng(3)
    sizes = np.full(60, 4.0)
    fair = [e_value(rng.choice([-1.0, 1.0], 60), sizes) for _ in range(3000)]
    skewed = [e_value(np.where(rng.random(60) < 0.2, -4.0, 1.0), sizes) for _ in range(3000)]
    for found in (fair, skewed):
        assert np.mean(found) < 1 + 4 * np.std(found) / np.sqrt(len(found))
        assert np.mean(np.array(found) >= 20) <= 0.05
    assert e_value(np.ones(60), sizes) > 1000
    assert e_value(np.zeros(0), np.zeros(0)) == 1.0
