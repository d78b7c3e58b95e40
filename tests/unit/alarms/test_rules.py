"""Each alarm fires on numbers that show its failure and is silent on healthy ones, whatever else they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.alarms import Alarm, Seen, before_promotion, before_training
from ratchet.alarms.seen import Measured
from ratchet.recipe import AlarmsConfig, load
from ratchet.recipe.verifiers import VerifierBase
from ratchet.verify.vitals import Promise, Vitals

HEALTHY: dict[str, Any] = {
    "prompts": 500,
    "answers": 4000,
    "voted": 500,
    "agreement": 0.6,
    "entropy": 0.9,
    "distinct": 3.0,
    "decided": 4000,
    "pass_rate": 0.5,
    "score": 0.5,
    "pass_at_k": {"1": 0.5, "8": 0.8},
    "tail": 0.3,
    "yes_no": 400,
    "yes_ratio": 0.5,
    "tokens": 10.0,
    "clipped": 0.01,
    "unreadable": 0.02,
    "asked": 300,
    "question_types": 8.0,
    "top_question": "is there",
}
SKILLS = {"": Measured(0.6, 900), "count": Measured(0.6, 450), "exist": Measured(0.6, 450)}


def seen(number: int = 2, precision: float | None = 0.8, **vitals: Any) -> Seen:
    """A healthy round, but for what is given."""
    fields = {name: vitals.pop(name) for name in ("conditioning", "champion", "candidate", "kept") if name in vitals}
    whole = {"champion": SKILLS, "candidate": SKILLS, "conditioning": 0.7, **fields}
    audited = None if precision is None else Measured(precision, 400)
    return Seen(number, Vitals(**{**HEALTHY, **vitals}), audited, **whole)


FIRST = seen(1)
DEFAULTS = AlarmsConfig()
FAILURES: dict[str, dict[str, Any]] = {
    "precision": {"precision": 0.45},
    "amplified": {"agreement": 0.7, "precision": 0.7},
    "entropy": {"entropy": 0.4},
    "diversity": {"pass_rate": 0.55, "pass_at_k": {"1": 0.55, "8": 0.725}},
    "yes_ratio": {"yes_ratio": 0.1},
    "length": {"tokens": 16.0},
    "unreadable": {"clipped": 0.3},
    "tail": {"tail": 0.1},
    "questions": {"question_types": 2.0},
    "conditioning": {"conditioning": 0.5},
    "hacking": {"score": 0.6, "champion": {**SKILLS, "": Measured(0.5, 900)}},
    "skill": {"candidate": {**SKILLS, "count": Measured(0.4, 450)}},
    "skill_share": {"kept": {"count": (400, 450), "exist": (10, 450)}},
}
PROMOTION = ("hacking", "skill", "skill_share")
HISTORIC = [name for name in FAILURES if name not in ("precision", "skill_share")]


def fired(now: Seen, earlier: list[Seen] | None = None, config: AlarmsConfig = DEFAULTS) -> dict[str, Alarm]:
    before = [FIRST] if earlier is None else earlier
    return {one.name: one for one in (*before_training(now, before, config), *before_promotion(now, before, config))}


def test_every_alarm_of_the_recipe_has_a_failure_here() -> None:
    assert set(FAILURES) == set(AlarmsConfig.model_fields) - {"min_prompts"}


def test_a_healthy_round_raises_nothing_and_neither_does_an_empty_one() -> None:
    assert fired(seen()) == {}
    assert fired(Seen(2), [Seen(1)]) == {}
    assert fired(Seen(2, Vitals(prompts=0, answers=0)), [Seen(1, Vitals(prompts=0, answers=0))]) == {}


@pytest.mark.parametrize("name", FAILURES)
def test_an_alarm_fires_on_its_failure_alone_and_says_value_threshold_and_what_to_do(name: str) -> None:
    (alarm,) = fired(seen(**FAILURES[name])).values()
    assert (alarm.name, alarm.action) == (name, "warn")
    assert f"alarms.{name}" in alarm.words
    assert f"{alarm.value:.3f}" in alarm.words or f"{alarm.value:.1f}" in alarm.words
    assert len(alarm.next) > 20
    if name in HISTORIC:
        assert alarm.since == 1
        assert alarm.reference is not None
        assert "round 1" in alarm.words


@pytest.mark.parametrize("name", HISTORIC)
def test_a_drift_without_an_earlier_round_is_no_drift(name: str) -> None:
    assert fired(seen(1, **FAILURES[name]), []) == {}


@pytest.mark.parametrize("name", FAILURES)
def test_null_switches_an_alarm_off_and_stop_makes_it_stop(name: str) -> None:
    bad = seen(**FAILURES[name])
    assert fired(bad, config=AlarmsConfig.model_validate({name: None})) == {}
    alarm = fired(bad, config=AlarmsConfig.model_validate({name: {"action": "stop"}}))[name]
    assert alarm.action == "stop"
    assert f"alarms.{name}.action warn" in alarm.next


@pytest.mark.parametrize("name", FAILURES)
def test_too_few_prompts_are_no_evidence(name: str) -> None:
    assert fired(seen(**FAILURES[name]), config=AlarmsConfig(min_prompts=5000)) == {}


@pytest.mark.parametrize("name", [name for name in HISTORIC if name != "skill"])
def test_a_drift_from_the_latest_round_counts_where_the_first_shows_none(name: str) -> None:
    bad = seen(3, **FAILURES[name])
    assert fired(bad, [bad._replace(number=1), seen(2)])[name].since == 2


def test_an_audit_goes_before_the_promise_of_the_votes() -> None:
    promised = {"majority": Promise(groups=400, precision=0.4), "views": Promise(groups=400, precision=0.9)}
    alarm = fired(seen(precision=None, promised=promised))["precision"]
    assert (alarm.value, alarm.threshold) == (0.4, 0.5)
    assert "votes of majority" in alarm.words
    assert fired(seen(precision=0.8, promised=promised)) == {}
    assert fired(seen(precision=None)) == {}


class Voting(VerifierBase):
    name: str = "majority"
    min_precision: float | None = None


def test_a_verifier_that_names_a_least_precision_stops_the_round_below_it() -> None:
    now = seen(precision=None, promised={"majority": Promise(groups=400, precision=0.6)})
    (alarm,) = before_training(now, [], AlarmsConfig(), [Voting(min_precision=0.7)])
    assert (alarm.action, alarm.value, alarm.threshold) == ("stop", 0.6, 0.7)
    for harmless in (Voting(), Voting(min_precision=0.6), Voting(label="other", min_precision=0.7)):
        assert before_training(now, [], AlarmsConfig(), [harmless]) == []


def test_precision_that_falls_without_more_agreement_is_not_called_amplified() -> None:
    assert fired(seen(agreement=0.6, precision=0.7)) == {}
    assert fired(seen(agreement=0.7, precision=0.85)) == {}
    assert fired(seen(agreement=0.7, precision=None)) == {}


def test_a_skill_that_fell_within_chance_raises_nothing() -> None:
    few = {"count": Measured(0.45, 110), "": Measured(0.5, 110)}
    before = seen(1, champion={"count": Measured(0.55, 110), "": Measured(0.5, 110)})
    assert fired(seen(candidate=few), [before]) == {}


WORSE: dict[str, tuple[str, float]] = {
    "entropy": ("entropy", -1),
    "tail": ("tail", -1),
    "questions": ("question_types", -1),
    "unreadable": ("unreadable", 1),
    "precision": ("precision", -1),
    "conditioning": ("conditioning", -1),
}


@pytest.mark.parametrize("name", WORSE)
@given(share=st.floats(0.001, 1), more=st.floats(0, 1))
def test_what_fires_at_a_value_fires_at_every_worse_one(name: str, share: float, more: float) -> None:
    field, side = WORSE[name]
    value = share * 8 if field == "question_types" else share
    worse = value * (1 - more) if side < 0 else value + (1 - value) * more
    if name in fired(seen(**{field: value})):
        assert name in fired(seen(**{field: worse}))


@given(yes=st.floats(0, 1), more=st.floats(0, 1))
def test_the_yes_ratio_fires_ever_more_toward_zero_and_one(yes: float, more: float) -> None:
    further = yes * (1 - more) if yes < 0.5 else yes + (1 - yes) * more
    if "yes_ratio" in fired(seen(yes_ratio=yes)):
        assert "yes_ratio" in fired(seen(yes_ratio=further))


@given(agreement=st.floats(0, 1), precision=st.floats(0, 1), limit=st.floats(0, 0.99))
def test_amplified_needs_both_directions(agreement: float, precision: float, limit: float) -> None:
    config = AlarmsConfig.model_validate({"precision": None, "amplified": {"agreement": limit, "precision": limit}})
    if "amplified" in fired(seen(agreement=agreement, precision=precision), config=config):
        assert agreement > 0.6
        assert precision < 0.8


def test_a_recipe_takes_thresholds_actions_and_null() -> None:
    given_ = load("{name: a, alarms: {entropy: {fall: 0.3, action: stop}, tail: null}}").alarms
    assert given_.entropy is not None
    assert (given_.entropy.fall, given_.entropy.action, given_.tail) == (0.3, "stop", None)


@given(at_8=st.floats(0, 1), share=st.floats(0, 1))
def test_diversity_fires_at_every_lower_pass_at_k_and_never_without_a_higher_pass_rate(
    at_8: float, share: float
) -> None:
    def with_rate(rate: float, chance: float) -> dict[str, Alarm]:
        return fired(seen(pass_rate=rate, pass_at_k={"1": rate, "8": chance}))

    if "diversity" in with_rate(0.55, at_8):
        assert "diversity" in with_rate(0.55, at_8 * share)
    assert "diversity" not in with_rate(0.5, at_8)


@given(tokens=st.floats(0.1, 100), factor=st.floats(1, 10))
def test_length_fires_at_every_longer_answer_than_one_that_is_too_long(tokens: float, factor: float) -> None:
    if tokens > 10 and "length" in fired(seen(tokens=tokens)):
        assert "length" in fired(seen(tokens=tokens * factor))


@given(score=st.floats(0, 1), accuracy=st.floats(0, 1))
def test_hacking_needs_a_higher_score_and_a_lower_accuracy(score: float, accuracy: float) -> None:
    if "hacking" in fired(seen(score=score, champion={**SKILLS, "": Measured(accuracy, 900)})):
        assert score > 0.5
        assert accuracy < 0.6
