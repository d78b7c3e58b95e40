"""Vitals: what answers say of a model's health, counted so that no order of shards changes it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.recipe import VerifyConfig
from ratchet.records import Completion, Group, Negative, Part, Shown, Verdict
from ratchet.statistics import pass_at_k_unbiased
from ratchet.verify.applying import verdicts_of
from ratchet.verify.vitals import Vitals, VitalsTally
from tests import rows

CONFIG = VerifyConfig()


def taken(groups: list[Group], config: VerifyConfig = CONFIG) -> VitalsTally:
    tally = VitalsTally()
    for group, lists in zip(groups, verdicts_of(groups, None, 10), strict=True):
        tally.add(group, lists, config)
    return tally


def vitals(*texts: tuple[str, ...], config: VerifyConfig = CONFIG) -> Vitals:
    return taken([rows.group(number, each) for number, each in enumerate(texts)], config).vitals()


def test_agreement_entropy_and_distinct_answers_are_of_normalised_readings() -> None:
    found = vitals(("3", " 3. ", "<answer>3</answer>", "4"))
    assert (found.agreement, found.distinct, found.voted) == (0.75, 2.0, 1)
    assert found.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), abs=1e-5)
    assert vitals(("3", "3")).entropy == 0.0


def test_unreadable_answers_are_answers_of_their_own_and_counted() -> None:
    found = vitals(("3", "3", "", "<answer>4"))
    assert (found.agreement, found.distinct, found.unreadable) == (0.5, 3.0, 0.5)
    # The rule cannot read a number where the text itself can be read.
    assert vitals(("many", "3")).unreadable == 0.5


def test_one_answer_is_no_vote() -> None:
    found = vitals(("3",))
    assert (found.voted, found.agreement, found.entropy) == (0, None, None)
    assert found.pass_at_k == {"1": 1.0}


def test_pass_at_k_is_the_unbiased_estimate_over_the_groups_that_have_k_answers() -> None:
    found = vitals(("3", "4", "4", "4", "4"), ("3", "3", "4"), ("4", "4"))
    assert found.pass_rate == 0.3
    at_2 = [pass_at_k_unbiased(5, 1, 2), pass_at_k_unbiased(3, 2, 2), 0.0]
    assert found.pass_at_k["2"] == pytest.approx(sum(at_2) / 3, abs=1e-6)
    assert found.pass_at_k["5"] == 1.0
    assert found.tail == 0.5


def test_yes_and_no_are_told_by_how_an_answer_begins() -> None:
    found = vitals(("yes", "No.", "yes, a red one", "none", "a yes"))
    assert (found.yes_no, found.yes_ratio) == (3, pytest.approx(2 / 3, abs=1e-6))


def test_only_honest_generated_answers_count() -> None:
    honest = rows.completion(0, "3")
    negative = rows.completion(1, "4").model_copy(update={"negative": Negative(kind="blur", seed=1, parent="question")})
    failed = rows.completion(2, "").model_copy(update={"finish_reason": "error", "error": "no_answer: x"})
    shown = Shown(messages=rows.prompt().messages, images=())
    blind = rows.completion(3, "4").model_copy(update={"input": shown})
    group = Group(prompt=rows.prompt(), completions=(honest, negative, failed, blind))
    found = taken([group]).vitals()
    assert (found.prompts, found.answers, found.pass_rate, found.unreadable) == (1, 1, 1.0, 0.0)


def test_without_a_policy_nothing_is_known_of_right_and_wrong() -> None:
    found = vitals(("3", "4"), config=VerifyConfig(policy="none"))
    assert (found.decided, found.pass_rate, found.score, found.pass_at_k, found.agreement) == (0, None, None, {}, 0.5)


def voted(share: float | None, score: float | None) -> tuple[Verdict, ...]:
    parts = () if share is None else (Part(name="agreement", score=share),)
    return (
        Verdict(
            verifier="majority",
            version="1",
            score=score,
            passed=None if score is None else score == 1,
            reason="x",
            parts=parts,
        ),
    )


def test_votes_promise_the_mean_share_of_the_groups_that_they_judged() -> None:
    tally = VitalsTally()
    for share, score in ((0.5, 1.0), (1.0, 1.0), (0.2, None)):
        tally.add(rows.group(), [voted(share, score), voted(share, None if score is None else 0.0)], CONFIG)
    found = tally.vitals()
    assert found.promised["majority"].model_dump() == {"groups": 2, "precision": 0.75}
    assert found.scores == {"majority": 0.5}


def test_self_asked_questions_are_told_apart_by_their_first_words() -> None:
    def asked(number: int) -> Group:
        group = rows.group(number)
        return group.model_copy(update={"prompt": group.prompt.model_copy(update={"origin": "p"})})

    found = taken([asked(0), asked(1), rows.group(2)]).vitals()
    assert (found.asked, found.question_types, found.top_question, found.top_question_share) == (
        2,
        1.0,
        "how many",
        1.0,
    )
    assert vitals(("3",)).question_types is None


_texts = st.lists(st.sampled_from(["3", "4", "yes", "no", "", "<answer>5", "three"]), min_size=0, max_size=5)


@given(st.lists(_texts, max_size=6), st.integers(0, 6))
def test_sums_over_shards_are_those_of_the_whole_in_any_order(texts: list[list[str]], at: int) -> None:
    groups = [rows.group(number, tuple(each)) for number, each in enumerate(texts)]
    parts = [taken(groups[at:]), taken(groups[:at])]
    joined = VitalsTally.load(parts[0].dump())
    joined += parts[1]
    assert joined.vitals() == taken(groups).vitals()


def completion_of(n_tokens: int, finish: str) -> Completion:
    return rows.completion(0, "3").model_copy(update={"n_tokens": n_tokens, "finish_reason": finish})


def test_length_is_in_tokens_and_what_was_cut_is_counted() -> None:
    group = Group(prompt=rows.prompt(), completions=(completion_of(4, "stop"), completion_of(10, "length")))
    found = taken([group]).vitals()
    assert (found.tokens, found.clipped) == (7.0, 0.5)


def test_what_a_later_version_measures_beside_does_not_hinder_reading() -> None:
    assert Vitals.model_validate({"prompts": 1, "answers": 2, "hunches": 3}).answers == 2
