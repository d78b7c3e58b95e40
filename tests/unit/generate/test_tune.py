"""The temperature by Reward-Pass@2."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError
from ratchet.generate import Answer, Request, SamplingParams
from ratchet.generate.engines.local import TransformersEngine
from ratchet.generate.strategies import Tools
from ratchet.generate.tune import best, measured, point
from ratchet.progress import silent
from ratchet.recipe import GenerateConfig, TuneConfig
from ratchet.records import Prompt
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.verify.text import normalise
from tests import tiny

TUNE = TuneConfig(temperatures=(1.5, 0.5), prompts=54, k=4)


class Listening:
    """A real engine whose answers are kept, and that fails requests for the prompts in `dead`."""

    def __init__(self, engine: TransformersEngine) -> None:
        self.engine, self.label, self.bank = engine, engine.label, engine.bank
        self.heard: dict[float, dict[str, tuple[Answer, ...]]] = {}
        self.dead: set[str] = set()

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        made = self.engine.answer(requests, params)
        failed = (Answer.failed("timeout", "60 s"),) * params.k
        made = [failed if r.id in self.dead else one for r, one in zip(requests, made, strict=True)]
        self.heard[params.temperature] = {r.id: one for r, one in zip(requests, made, strict=True)}
        return made


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Prompt], ImageBank]:
    # Skills whose answers are right when they say the same as the reference.
    prompts, pictures = tiny.world("validation", 54, skills=("read", "locate", "relation"))
    return prompts, tiny.bank(FolderStore(str(tmp_path_factory.mktemp("store"))), pictures)


@pytest.fixture(scope="module")
def engine(asked: tuple[list[Prompt], ImageBank]) -> TransformersEngine:
    return TransformersEngine(SEED_DIR, asked[1], "seed", batch_size=256)


def _tools(engine: Listening, **config: object) -> Tools:
    return Tools(lambda: engine, GenerateConfig.model_validate({"max_new_tokens": 8, **config}), seed=3)


def _right_in_top_two(answers: Sequence[Answer], reference: str) -> bool:
    by_text: dict[str, float] = {}
    for one in answers:
        text = normalise(one.text)
        by_text[text] = max(by_text.get(text, -math.inf), one.logprob_sum / one.n_tokens)
    return normalise(reference) in sorted(by_text, key=by_text.__getitem__, reverse=True)[:2]


def test_the_curve_is_the_share_of_prompts_with_a_right_answer_among_the_two_likeliest(engine, asked):
    listening = Listening(engine)
    curve, probed = measured(asked[0], TUNE, _tools(listening), silent)
    assert [p.temperature for p in curve] == [0.5, 1.5], "from low to high, whatever the recipe's order"
    for one in curve:
        heard = listening.heard[one.temperature]
        right = sum(_right_in_top_two(heard[p.id], p.reference) for p in asked[0])
        assert 0 < right < 54
        assert one == point(one.temperature, right, 54)
    assert (probed.asked, probed.unanswered, probed.unscored) == (108, 0, 0)


def test_the_curve_is_the_same_when_measured_again(engine, asked):
    first, again = (measured(asked[0], TUNE, _tools(Listening(engine)), silent) for _ in range(2))
    assert first == again


def test_prompts_without_an_answer_are_left_out_and_counted(engine, asked):
    listening = Listening(engine)
    listening.dead = {asked[0][0].id, asked[0][1].id}
    curve, probed = measured(asked[0], TUNE, _tools(listening, max_error_share=0.1), silent)
    assert {p.prompts for p in curve} == {52}
    assert (probed.asked, probed.unanswered) == (108, 4)
    with pytest.raises(SamplingError, match=r"2 of 54 probe prompts got no answer, more than .* 0\.02"):
        measured(asked[0], TUNE, _tools(listening), silent)


def test_prompts_that_no_verifier_can_judge_are_left_out_and_none_at_all_is_an_error(engine, asked):
    bare = [p.model_copy(update={"verifiers": ()}) for p in asked[0]]
    curve, probed = measured([*bare[:30], *asked[0][30:]], TUNE, _tools(Listening(engine)), silent)
    assert {p.prompts for p in curve} == {24}
    assert probed.unscored == 60
    with pytest.raises(SamplingError, match="no verifier could judge any of 54 probe prompts"):
        measured(bare, TUNE, _tools(Listening(engine)), silent)


def test_votes_rank_by_how_often_an_answer_was_given(engine, asked):
    listening = Listening(engine)
    votes = TUNE.model_copy(update={"reward": "votes", "k": 8})
    (low, high), _ = measured(asked[0], votes, _tools(listening), silent)
    for one in (low, high):
        right = 0
        for prompt in asked[0]:
            said = Counter(normalise(a.text) for a in listening.heard[one.temperature][prompt.id])
            more = sum(n > said[normalise(prompt.reference)] for n in said.values())
            as_often = sum(n == said[normalise(prompt.reference)] for n in said.values())
            if said[normalise(prompt.reference)] and more + as_often <= 2:
                right += 1
        # Ties go by likelihood, so more may be right than those that are among the two in any case.
        assert 0 < right <= one.pass_at_2 * 54
    assert low.pass_at_2 != high.pass_at_2


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_points_error_is_binomial(counts):
    right, n = counts
    one = point(0.7, right, n)
    assert one.pass_at_2 == right / n
    assert one.se == pytest.approx(math.sqrt(right * (n - right) / n**3))


@given(
    st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.7, 0.9]), st.integers(0, 5)), min_size=1, unique_by=lambda p: p[0])
)
def test_the_best_temperature_is_the_lowest_of_those_with_the_highest_value(points):
    curve = [point(t, right, 5) for t, right in points]
    chosen = best(curve)
    highest = max(right for _, right in points)
    assert chosen == min(t for t, right in points if right == highest)
