"""Verifiers by likelihood: with and without the picture, by value and by rank, and the same whenever they run."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.recipe import VerifyConfig
from ratchet.records import Group, Verdict
from ratchet.verify.measured.scoring import logistic, ranks
from ratchet.verify.tools import Tools
from tests.unit.verify.measuring import failed, group, tools_at, verified

SKILLS = ("caption", "compare")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Group], Tools]]:
    """Each prompt with its reference, a caption of another picture or another answer, and a repeat."""
    prompts, tools = tools_at(tmp_path_factory.mktemp("measured"), 20, SKILLS)
    others = {p.id: q.reference or "" for p, q in zip(prompts, [*prompts[2:], *prompts[:2]], strict=True)}
    yield [group(p, p.reference or "", others[p.id], p.reference or "") for p in prompts], tools
    tools.close()


def found(groups: list[Group], tools: Tools, **verifier: object) -> list[list[Verdict]]:
    return [[c.verdicts[0] for c in g.completions] for g in verified(tools, groups, verifier)]


def captions(groups: list[Group]) -> list[Group]:
    return [g for g in groups if g.prompt.skill == "caption" and g.completions[0].text != g.completions[1].text]


def test_a_picture_makes_its_own_caption_likelier_and_another_pictures_less_likely(made):
    groups, tools = made
    verdicts = found(captions(groups), tools, name="conditioning")
    own = [one[0] for one in verdicts]
    other = [one[1] for one in verdicts]
    assert sum(v.passed is True for v in own) >= 0.8 * len(own)
    assert sum(v.passed is True for v in other) <= 0.5 * len(other)
    assert all(a.score > b.score for a, b in zip(own, other, strict=True))
    for one in own:
        parts = {part.name: part.score for part in one.parts}
        assert one.score == pytest.approx(logistic(parts["with"] - parts["against"]), abs=1e-5)
        assert (one.reason, one.tokens > 0) == ("above" if one.passed else "below", True)
    assert all(one[0] == one[2] for one in verdicts)


def test_a_corrupted_picture_may_stand_for_no_picture_and_is_the_same_every_time(made):
    groups, tools = made
    some = captions(groups)[:4]
    noise = {"name": "conditioning", "against": "noise", "params": {"std": 100}}
    first = found(some, tools, **noise)
    assert first == found(some, tools, **noise)
    plain = found(some, tools, name="conditioning")
    flat = [[v.parts[0].score for one in verdicts for v in one] for verdicts in (first, plain)]
    assert flat[0] == pytest.approx(flat[1], abs=1e-4)
    assert all(
        a.parts[1] != b.parts[1] for one, two in zip(first, plain, strict=True) for a, b in zip(one, two, strict=True)
    )
    assert tools.bank.take_added() == {}
    # Another kind, other pictures.
    assert found(some, tools, name="conditioning", against="blur") != first


def test_per_token_a_long_answer_counts_no_more_than_a_short_one(made):
    groups, tools = made
    (whole,), (mean,) = (found(captions(groups)[:1], tools, name="conditioning", per=per) for per in ("sum", "token"))
    n = mean[0].tokens // 2
    gap = whole[0].parts[0].score - whole[0].parts[1].score
    assert mean[0].score == pytest.approx(logistic(gap / n), abs=1e-5)
    assert whole[0].parts == mean[0].parts


def test_by_rank_the_likeliest_answer_of_a_group_has_one_and_the_least_likely_none(made):
    groups, tools = made
    for verdicts in found(captions(groups), tools, name="likelihood"):
        first, second, repeat = verdicts
        assert first == repeat
        likelier = first.parts[0].score / first.tokens > second.parts[0].score / second.tokens
        assert (first.score, second.score) == ((1, 0) if likelier else (0, 1))


def test_by_value_a_score_is_the_mean_probability_of_a_token(made):
    groups, tools = made
    ((one, *_), *_) = found(groups[:1], tools, name="likelihood", score="value")
    assert one.score == pytest.approx(math.exp(one.parts[0].score / one.tokens), abs=1e-5)


def test_what_cannot_be_measured_is_unscored_and_leaves_the_ranks_of_the_others_alone(made):
    groups, tools = made
    one = captions(groups)[0]
    a, b, c = one.completions
    long = c.model_copy(update={"text": "red " * 300})
    broken = Group(prompt=one.prompt, completions=(a, b, long, failed(c.model_copy(update={"index": 3}))))
    (verdicts,) = found([broken], tools, name="likelihood")
    assert [v.score is None for v in verdicts] == [False, False, True, True]
    assert sorted(v.score for v in verdicts[:2]) == [0, 1]
    assert [v.reason for v in verdicts[2:]] == ["too_long", "not_generated"]
    assert all(v.error for v in verdicts[2:])
    (alone,) = found([Group(prompt=one.prompt, completions=(a,))], tools, name="likelihood")
    assert (alone[0].score, alone[0].reason, alone[0].error) == (None, "alone", None)


def test_a_lost_picture_is_unscored_with_or_without_a_corruption(made):
    groups, tools = made
    prompt = groups[0].prompt
    gone = prompt.model_copy(update={"images": (prompt.images[0].model_copy(update={"sha256": "0" * 64}),)})
    for against in ("none", "blur"):
        (verdicts,) = found([group(gone, "1", "2")], tools, name="conditioning", against=against)
        assert {(v.score, v.reason) for v in verdicts} == {(None, "picture")}


@given(st.lists(st.none() | st.floats(-50, 50), max_size=9))
def test_ranks_go_from_none_to_one_in_the_order_of_the_values_however_often_each_comes(values):
    found = ranks(values)
    different = {round(v, 6) for v in values if v is not None}
    if len(different) < 2:
        assert set(found) <= {None}
        return
    assert [one is None for one in found] == [v is None for v in values]
    known = [(v, r) for v, r in zip(values, found, strict=True) if v is not None and r is not None]
    assert {0, 1} <= {r for _, r in known}
    assert all(0 <= r <= 1 for _, r in known)
    assert all((a[0] < b[0]) <= (a[1] <= b[1]) for a in known for b in known)
    assert ranks([*values, *values]) == [*found, *found]


@given(st.floats(allow_nan=False))
def test_the_logistic_function_never_overflows(value):
    assert 0 <= logistic(value) <= 1
    assert logistic(value) + logistic(-value) == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"against": "fog"}, "fog"),
        ({"against": "blur", "params": {"std": 3}}, "std"),
        ({"against": "blur", "params": {"radius": 1000}}, "radius"),
        ({"params": {"radius": 3}}, "against"),
    ],
)
def test_a_corruption_that_is_none_is_refused_when_the_recipe_is_read(options, said):
    with pytest.raises(ValueError, match=said):
        VerifyConfig.model_validate({"verifiers": [{"name": "conditioning", **options}]})
