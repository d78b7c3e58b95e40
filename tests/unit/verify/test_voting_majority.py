"""The majority verifier: who votes, what the votes say of each answer, and which groups are left alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.recipe import VerifyConfig
from ratchet.recipe.verifiers.votes import MajorityConfig
from ratchet.records import Group, Negative, Prompt, Shown, Verdict
from ratchet.verify import apply
from ratchet.verify.vitals import VitalsTally
from ratchet.verify.voting.majority import Majority
from tests import rows
from tests.unit.verify import staging


def group(*texts: str, reference: str | None = None, verifiers: tuple[str, ...] = (), **fields: object) -> Group:
    prompt = rows.prompt(0, reference, verifiers).model_copy(update=fields)
    return Group(prompt=prompt, completions=tuple(rows.completion(i, t) for i, t in enumerate(texts)))


def verdicts(one: Group, **options: object) -> list[Verdict]:
    (found,) = Majority(MajorityConfig.model_validate(options)).verify([one])
    return found


def reasons(one: Group, **options: object) -> list[str]:
    return [v.reason for v in verdicts(one, **options)]


def test_what_most_answers_say_is_right_however_they_say_it() -> None:
    found = verdicts(group("3", "three", "<answer>3</answer>", "4", ""))
    assert [(v.score, v.passed, v.reason) for v in found] == [
        (1, True, "majority"),
        (1, True, "majority"),
        (1, True, "majority"),
        (0, False, "minority"),
        (0, False, "unparsed"),
    ]
    assert found[0].detail == "3 (3 of 5)"
    assert [part.name for part in found[0].parts] == ["agreement", "entropy"]
    assert found[3].parts[0].score == 0.6


def test_the_reference_is_not_looked_at() -> None:
    texts = ("3", "3", "4")
    assert verdicts(group(*texts, reference="4", verifiers=("numeric",))) == verdicts(group(*texts))


def test_the_rules_that_a_prompt_names_say_which_answers_are_the_same() -> None:
    texts = ("red circle , blue square", "blue square , red circle", "red circle , red circle , blue square")
    assert reasons(group(*texts, verifiers=("objects",))) == ["majority", "majority", "minority"]
    assert reasons(group(*texts, verifiers=("set_f1",))) == ["majority"] * 3
    # Two different texts, and nobody said to compare them as lists.
    assert reasons(group("a b c d", "d c b a", verifiers=("exact",))) == ["tied"] * 2


def test_equal_formulas_and_measures_are_one_answer_where_the_prompt_names_no_rule() -> None:
    assert reasons(group("$\\frac{1}{2}$", "\\boxed{\\frac{2}{4}}", "\\frac{1}{3}")) == [
        "majority",
        "majority",
        "minority",
    ]
    assert reasons(group("150 cm", "1.5 m", "150 m")) == ["majority", "majority", "minority"]


@pytest.mark.parametrize(
    ("texts", "options", "reason"),
    [
        (("1", "1", "2", "3", "4"), {}, "below_floor"),
        (("1", "1", "2", "2"), {}, "tied"),
        (("1",), {}, "too_few_voters"),
        (("1", "1", "1"), {"min_voters": 4}, "too_few_voters"),
        (("1", "1", "2"), {"max_entropy": 0.5}, "too_uncertain"),
        (("", "", ""), {}, "no_answer"),
    ],
)
def test_a_group_whose_votes_are_not_believed_is_unscored_and_not_wrong(
    texts: tuple[str, ...], options: dict[str, object], reason: str
) -> None:
    found = verdicts(group(*texts), **options)
    assert {(v.score, v.passed, v.reason, v.error) for v in found} == {(None, None, reason, None)}


def test_exactly_the_floor_is_enough() -> None:
    assert reasons(group("1", "1", "2", "3"), floor=0.5) == ["majority", "majority", "minority", "minority"]
    assert set(reasons(group("1", "1", "1", "2"), floor=0.76)) == {"below_floor"}


def test_prompts_that_are_too_hard_are_left_out_and_those_without_a_difficulty_are_not() -> None:
    assert reasons(group("1", "1", difficulty=0.8), max_difficulty=0.7) == ["too_uncertain"] * 2
    assert reasons(group("1", "1", difficulty=0.7), max_difficulty=0.7) == ["majority"] * 2
    assert reasons(group("1", "1"), max_difficulty=0.7) == ["majority"] * 2


def test_a_score_by_share_tells_how_many_say_the_same() -> None:
    found = verdicts(group("1", "1", "1", "2", "x y"), score="share")
    assert [(v.score, v.passed) for v in found] == [(0.6, True)] * 3 + [(0.2, False)] * 2


def test_answers_made_bad_on_purpose_are_judged_and_do_not_vote() -> None:
    one = group("1", "1", "2", "2", "2", "1")
    bad = Negative(kind="misleading", seed=1, parent="question")
    blind = Shown(messages=one.prompt.messages, images=())
    changes = [{}, {}, {}, {"negative": bad}, {"input": blind}, {"negative": bad}]
    completions = [c.model_copy(update=change) for c, change in zip(one.completions, changes, strict=True)]
    found = verdicts(one.model_copy(update={"completions": tuple(completions)}))
    assert [v.reason for v in found] == ["majority", "majority", "minority", "minority", "minority", "majority"]
    assert found[0].detail == "1 (2 of 3)"


def test_a_cut_answer_takes_no_side_and_a_failed_one_is_nobodys() -> None:
    one = group("1", "1", "1", "2")
    cut = one.completions[1].model_copy(update={"finish_reason": "length"})
    failed = one.completions[3].model_copy(update={"finish_reason": "error", "text": "", "error": "picture: gone"})
    one = one.model_copy(update={"completions": (one.completions[0], cut, one.completions[2], failed)})
    (done,) = apply([one], ["majority"], 10, {"majority": Majority(MajorityConfig())})
    found = [c.verdicts[0] for c in done.completions]
    assert [v.reason for v in found] == ["majority", "cut", "majority", "not_generated"]
    assert found[0].detail == "1 (2 of 3)"


@given(st.lists(st.sampled_from(["1", "2", "two", "yes", "", "a , b", "b , a"]), max_size=8), st.floats(0, 1))
def test_whatever_is_said_at_most_one_answer_wins_and_it_has_the_most_votes(texts: list[str], floor: float) -> None:
    found = verdicts(group(*texts), floor=floor, score="share", min_voters=1)
    assert len(found) == len(texts)
    winners = [v.score for v in found if v.passed]
    assert len(set(winners)) <= 1
    assert all(v.score is not None and v.score < winners[0] for v in found if winners and not v.passed)  # type: ignore[operator]
    assert not winners or winners[0] >= floor - 1e-6  # type: ignore[operator]
    assert len({v.score is None for v in found}) <= 1


def voted(*groups: Group, **options: object) -> list[Group]:
    config = MajorityConfig.model_validate(options)
    return apply(list(groups), [config.called], 10, {config.called: Majority(config)})


def promised(groups: Sequence[Group], verifier: str = "majority") -> float | None:
    tally = VitalsTally()
    for one in groups:
        tally.add(one, [completion.verdicts for completion in one.completions], VerifyConfig())
    found = tally.vitals().promised.get(verifier)
    return None if found is None else found.precision


def test_the_promised_precision_is_the_mean_share_of_the_winners_of_judged_groups() -> None:
    made = voted(group("1", "1", "1", "2"), group("1", "1"), group("1", "2", "3", "4", "1"))
    assert promised(made) == pytest.approx((0.75 + 1) / 2)
    assert promised(made, "another") is None
    assert promised(voted(group("1", "2"))) is None
    assert promised([]) is None


def test_the_promise_is_right_for_a_calibrated_model_and_optimistic_where_errors_are_correlated() -> None:
    import random

    chance = random.Random(1)
    right, made = [], []
    for _ in range(400):
        p = chance.uniform(0.5, 1)
        texts = ["1" if chance.random() < p else "2" for _ in range(20)]
        made.append(group(*texts))
        # Calibrated: what it says with probability p is right with probability p.
        right.append("1" if chance.random() < p else "2")
    done = voted(*made)
    judged = [
        (next(c.text for c in g.completions if c.verdicts[0].passed), truth)
        for g, truth in zip(done, right, strict=True)
        if g.completions[0].verdicts[0].score is not None
    ]
    precision = sum(said == truth for said, truth in judged) / len(judged)
    assert promised(done) == pytest.approx(precision, abs=0.06)
    assert promised(voted(*[group("2", "2", "2", reference="1")] * 30)) == 1


def test_a_recipe_names_it_and_the_stage_gives_the_same_verdicts_again(tmp_path: Path) -> None:
    made = [group("1", "1", "2"), group("1", "2"), group("yes", "Yes.", "no")]
    digests = set()
    for number, size in enumerate((1, 3)):
        store = staging.store_at(tmp_path / str(number))
        opened = staging.round_at(store, {"verify": {"verifiers": [{"name": "majority", "label": "votes"}]}})
        manifest = staging.run(
            store, opened, "verify", generate=staging.parent(store, "generate", made, shard_size=size)
        )
        digests.add(manifest.content_digest)
        assert json.loads(json.dumps(manifest.counts))["reason_tied"] == 2
        assert manifest.results["verifiers"] == {"votes": {"majority": 4, "minority": 2, "tied": 2}}
    assert len(digests) == 1


def test_an_unknown_option_is_refused_with_its_name() -> None:
    with pytest.raises(ValueError, match="flor"):
        VerifyConfig.model_validate({"verifiers": [{"name": "majority", "flor": 0.5}]})


def test_prompts_without_verifiers_are_read_by_the_shape_of_the_answer() -> None:
    prompt: Prompt = group().prompt
    assert prompt.verifiers == ()
    assert reasons(group("no", "No, there is none.", "yes")) == ["majority", "majority", "minority"]
