from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.filter.settle import Settled, settle
from ratchet.recipe import FilterConfig, VerifyConfig
from ratchet.records import Completion, Group, Shown
from tests.unit.filter.cases import NEGATIVE, completion, group, prompt

CHECKED, UNCHECKED = VerifyConfig(), VerifyConfig(policy="none")


def settled(given: Group | str | list[Completion], verify: VerifyConfig = CHECKED, **config: Any) -> Settled:
    if isinstance(given, str):
        given = group(given)
    if isinstance(given, list):
        given = Group(prompt=prompt(), completions=tuple(given))
    return settle(given, verify, FilterConfig.model_validate(config))


@pytest.mark.parametrize(
    ("marks", "config", "reason"),
    [
        ("", {}, "unscored"),
        ("???", {}, "unscored"),
        ("uu?", {}, "unparsed"),
        ("uu", {"min_pass_rate": 0}, "unparsed"),
        ("u-", {}, "too_hard"),
        ("---", {}, "too_hard"),
        ("+--", {"min_pass_rate": 0.5}, "too_hard"),
        ("+++", {"max_pass_rate": 0.9}, "too_easy"),
        ("++-", {"max_pass_rate": 0.5}, "too_easy"),
        ("---", {"min_pass_rate": 0}, "no_use"),
        ("+-", {"min_pass_rate": 0.5, "max_pass_rate": 0.5}, None),
        ("+++", {}, None),
    ],
)
def test_groups_are_dropped_with_the_first_reason_that_holds(
    marks: str, config: dict[str, Any], reason: str | None
) -> None:
    assert settled(marks, **config).reason == reason


def test_clipped_groups_are_dropped_and_clipped_completions_never_kept() -> None:
    cut = [completion(i, "+", finish_reason="length") for i in range(2)]
    assert settled(cut).reason == "clipped"
    assert settled([cut[0], completion(1, "+")]).marks == ((False, "clipped"), (True, None))


def test_unscored_completions_do_not_count_in_the_rate() -> None:
    assert settled("+-??").pass_rate == 0.5


def test_negatives_do_not_count_in_the_rate_and_are_never_kept() -> None:
    found = settled(
        [completion(0, "+"), completion(1, "+", negative=NEGATIVE), completion(2, "-", negative=NEGATIVE)], pairs={}
    )
    assert found.pass_rate == 1
    assert [why for _, why in found.marks] == [None, "negative", "negative"]
    assert [(p.chosen, p.rejected) for p in found.pairs] == [(0, 2)]
    assert found.uses == ("preference", "sft")


def test_every_completion_that_is_not_kept_has_a_reason() -> None:
    given = [
        completion(0, "-"), completion(1, "+", "a"), completion(2, "+", " a "), completion(3, "+", "b"), completion(4, "?"),
        completion(5, "u"), completion(6, "+", "c", finish_reason="length"), completion(7, "?", "", finish_reason="error"),
    ]  # fmt: skip
    assert settled(given).marks == (
        (False, "wrong"), (True, None), (False, "duplicate_text"), (False, "surplus"), (False, "unscored"),
        (False, "unparsed"), (False, "clipped"), (False, "not_generated"),
    )  # fmt: skip


@pytest.mark.parametrize(("choose", "kept"), [("first", 0), ("shortest", 2), ("likeliest", 1)])
def test_choice_among_passed_completions(choose: str, kept: int) -> None:
    given = [
        completion(0, "+", n_tokens=9, logprob_sum=-5.0),
        completion(1, "+", n_tokens=7, logprob_sum=-1.0),
        completion(2, "+", n_tokens=2, logprob_sum=None),
    ]
    assert [i for i, (k, _) in enumerate(settled(given, choose=choose).marks) if k] == [kept]


def test_several_completions_can_be_kept_each_text_once() -> None:
    given = [completion(i, "+", text) for i, text in enumerate(["a", "a", "b", "c"])]
    assert [k for k, _ in settled(given, completions_per_prompt=2).marks] == [True, False, True, False]


def test_uses_follow_from_what_is_there() -> None:
    assert settled("+-", pairs={}).uses == ("preference", "rl", "sft")
    assert settled("+-").uses == ("rl", "sft")
    assert settled("++", pairs={}).uses == ("sft",)


@settings(deadline=None)
@given(st.text("+-~?u", max_size=6))
def test_without_a_policy_every_group_with_a_whole_completion_passes(marks: str) -> None:
    found = settled(marks, UNCHECKED, min_pass_rate=0.4, max_pass_rate=0.5, pairs={})
    assert found.reason == (None if marks else "unscored")
    if marks:
        assert (found.uses, found.pairs, found.marks[0]) == (("sft",), (), (True, None))


@settings(deadline=None)
@given(st.text("+-~?u", max_size=8), st.integers(1, 3))
def test_only_passed_completions_are_kept_and_not_too_many(marks: str, most: int) -> None:
    found = settled(marks, completions_per_prompt=most)
    kept = [mark for mark, (k, _) in zip(marks, found.marks, strict=False) if k]
    assert set(kept) <= {"+"}
    assert len(kept) <= most
    assert all(k == (why is None) for k, why in found.marks)


def test_trusted_negatives_are_rejected_whatever_the_verifiers_say_and_verified_ones_only_if_they_failed() -> None:
    given = [completion(0, "+", text="a"), completion(1, "+", text="b", negative=NEGATIVE)]
    assert settled(given, pairs={}).pairs == ()
    (pair,) = settled(given, pairs={"negatives": "trusted"}).pairs
    assert (pair.chosen, pair.rejected, pair.kind, pair.reason) == (
        0,
        1,
        "text",
        f"match_over_negative_{NEGATIVE.kind}",
    )


def test_trusted_negatives_make_pairs_also_where_nothing_is_checked() -> None:
    given = [completion(0, "?", text="a"), completion(1, "?", text="b", negative=NEGATIVE)]
    assert settled(given, UNCHECKED, pairs={}).pairs == ()
    (pair,) = settled(given, UNCHECKED, pairs={"negatives": "trusted"}).pairs
    assert (pair.chosen, pair.rejected) == (0, 1)


def test_the_same_answer_with_a_bad_picture_makes_a_pair_of_inputs_only_where_it_is_asked_for() -> None:
    bad_input = NEGATIVE.model_copy(update={"use": "input", "parent": "completion:0"})
    given = [completion(0, "+", text="a"), completion(1, "+", text="a", negative=bad_input, parent=0)]
    assert settled(given, pairs={"negatives": "trusted"}).pairs == ()
    (pair,) = settled(given, pairs={"images": True}).pairs
    assert (pair.chosen, pair.rejected, pair.kind) == (0, 1, "image")


def test_a_wrong_answer_makes_no_pair_of_inputs() -> None:
    bad_input = NEGATIVE.model_copy(update={"use": "input", "parent": "completion:0"})
    given = [
        completion(0, "-", text="a"),
        completion(1, "-", text="a", negative=bad_input, parent=0),
        completion(2, "+"),
    ]
    assert all(pair.kind == "text" for pair in settled(given, pairs={"images": True}).pairs)


def test_answers_from_a_text_alone_count_in_no_rate_and_are_not_imitated() -> None:
    blind = completion(1, "-", input=Shown(messages=prompt().messages, images=()))
    found = settled([completion(0, "+"), blind], pairs={})
    assert found.pass_rate == 1
    assert found.marks == ((True, None), (False, "without_picture"))


@pytest.mark.parametrize(
    ("marks", "least", "uses"),
    [("+-", 0.5, ("rl", "sft")), ("+---", 0.44, ("sft",)), ("+---", 0.43, ("rl", "sft")), ("++", 0.1, ("sft",)), ("+~", 0.25, ("rl", "sft"))],
)  # fmt: skip
def test_a_group_serves_rl_where_its_scores_spread_enough(marks: str, least: float, uses: tuple[str, ...]) -> None:
    assert settled(marks, min_score_std=least).uses == uses


def test_groups_of_one_score_are_dropped_where_only_rl_counts() -> None:
    assert settled("++", min_score_std=0.1, uses=["rl"]).reason == "low_variance"
    assert settled("++", uses=["rl"]).reason == "no_use"
    assert settled("~~+", min_score_std=0.1, uses=["rl"]).uses == ("rl",)
    # Scores may spread where nothing passed: a continuous reward teaches there too.
    assert settled("~--", min_score_std=0.1, min_pass_rate=0).uses == ("rl",)
    assert settled("--", min_score_std=0.1, min_pass_rate=0).reason == "low_variance"


@given(st.text("+-~?u", min_size=1, max_size=8), st.sampled_from([("sft",), ("rl",), ("preference", "sft"), None]))
def test_uses_are_those_that_are_asked_for_and_a_group_with_none_is_dropped(
    marks: str, asked: tuple[str, ...] | None
) -> None:
    everything, some = settled(marks, pairs={}), settled(marks, pairs={}, uses=asked)
    assert some.uses == tuple(use for use in everything.uses if asked is None or use in asked)
    assert (some.reason is None) == bool(some.uses)


def test_a_share_of_clipped_or_unparsed_answers_can_be_too_much() -> None:
    cut = [completion(0, "+"), completion(1, "+"), completion(2, "+", finish_reason="length")]
    assert settled(cut, clipped_share=0.34).reason is None
    assert settled(cut, clipped_share=0.33).reason == "clipped"
    assert settled("+uu-", unparsed_share=0.5).reason == "unparsed"
    assert settled("+u--", unparsed_share=0.5).reason is None


def test_answers_over_max_tokens_are_neither_imitated_nor_chosen() -> None:
    given = [completion(0, "+", n_tokens=9), completion(1, "+", n_tokens=3), completion(2, "-", n_tokens=9)]
    found = settled(given, max_tokens=5, pairs={})
    assert found.marks == ((False, "too_long"), (True, None), (False, "wrong"))
    assert [(p.chosen, p.rejected) for p in found.pairs] == [(1, 2)]
