"""Ranking a prompt's answers by what the model says of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import SamplingError
from ratchet.generate import Answer
from ratchet.generate.ranking import ranked
from ratchet.verify.text import normalise

answers = st.lists(
    st.builds(
        Answer,
        text=st.sampled_from(["yes", "Yes.", "no", " no ", "red circle", ""]),
        n_tokens=st.integers(1, 4),
        finish_reason=st.sampled_from(["stop", "length", "error"]),
        logprob_sum=st.floats(-20, 0),
    ),
    max_size=12,
)


def _answer(text: str, logprob_sum: float | None, n_tokens: int = 1) -> Answer:
    return Answer(text, n_tokens, "stop", logprob_sum)


@given(answers, st.sampled_from(["likelihood", "votes"]))
def test_each_different_answer_that_was_given_is_there_once_with_all_its_votes(given_, by):
    found = ranked(given_, by)
    said = [normalise(a.text) for a in given_ if a.finish_reason != "error"]
    assert {normalise(given_[r.place].text): r.votes for r in found} == {text: said.count(text) for text in said}
    assert len(found) == len(set(said))


@given(answers)
def test_an_answer_is_stood_for_by_its_likeliest_draw_and_the_likeliest_comes_first(given_):
    found = ranked(given_, "likelihood")
    values = [r.likelihood for r in found]
    assert values == sorted(values, reverse=True)
    for r in found:
        alike = [
            a for a in given_ if a.finish_reason != "error" and normalise(a.text) == normalise(given_[r.place].text)
        ]
        assert r.likelihood == max(a.logprob_sum / a.n_tokens for a in alike)


def test_likelihood_is_a_token_so_that_long_answers_are_not_worse():
    long, short = _answer("a b c d", -2.0, 4), _answer("a", -1.0, 1)
    assert [r.place for r in ranked([short, long], "likelihood")] == [1, 0]


def test_votes_come_before_likelihood_and_likelihood_decides_ties():
    given_ = [_answer("a", -0.1), _answer("b", -3.0), _answer("b", -2.0), _answer("c", -0.5), _answer("c", -4.0)]
    assert [(r.place, r.votes) for r in ranked(given_, "votes")] == [(3, 2), (2, 2), (0, 1)]


def test_full_ties_go_to_the_earlier_draw():
    given_ = [_answer("b", -1.0), _answer("a", -1.0)]
    assert [r.place for r in ranked(given_, "likelihood")] == [r.place for r in ranked(given_, "votes")] == [0, 1]


def test_votes_need_no_log_probabilities_and_likelihood_says_that_it_does():
    given_ = [_answer("a", None), _answer("b", None), _answer("b", None)]
    assert [(r.place, r.votes, r.likelihood) for r in ranked(given_, "votes")] == [(1, 2, None), (0, 1, None)]
    with pytest.raises(
        SamplingError, match=r"no log-probabilities; set generate\.engine\.logprobs to true, or rank by votes"
    ):
        ranked(given_, "likelihood")
