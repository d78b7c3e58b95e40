"""SIMA, the beam tree and best of n: their pure parts, and their groups from a real model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.artifacts import ImageBank
from ratchet.errors import RecipeError, SamplingError
from ratchet.generate import Answer, Request, SamplingParams
from ratchet.generate.chat import chat_text, encode
from ratchet.generate.engines.local import TransformersEngine
from ratchet.generate.strategies import Tools, collect
from ratchet.generate.strategies.beam import Beam, overlap, select
from ratchet.recipe import GenerateConfig, parse
from ratchet.records import Completion, Group, Prompt
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny

TREE = {"name": "beam_tree", "beams": 3, "groups": 2, "depth": 3, "ends": [","], "max_new_tokens": 6}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Prompt], ImageBank]:
    prompts, pictures = tiny.world("pool", 18)
    return prompts, tiny.bank(FolderStore(str(tmp_path_factory.mktemp("store"))), pictures)


@pytest.fixture(scope="module")
def engine(asked: tuple[list[Prompt], ImageBank]) -> TransformersEngine:
    return TransformersEngine(SEED_DIR, asked[1], "seed", batch_size=64)


@pytest.fixture(scope="module")
def tiny_engine(model_folder: Path, asked: tuple[list[Prompt], ImageBank]) -> TransformersEngine:
    """Random weights: it hardly ever ends an answer by itself, nor twice in the same way."""
    return TransformersEngine(model_folder, asked[1], "tiny", batch_size=64)


def _collect(engine: Any, prompts: Sequence[Prompt], strategy: Any, **config: Any) -> list[Group]:
    made = GenerateConfig.model_validate({"strategy": strategy, "max_new_tokens": 12, **config})
    return collect(prompts, made.strategy, Tools(lambda: engine, made, seed=5))


def _notes(completion: Completion) -> dict[str, float]:
    return {note.name: note.score for note in completion.notes}


class Refusing:
    """A real engine behind one that fails the requests that `refuses` picks."""

    def __init__(self, engine: TransformersEngine, refuses: Any, logprobs: bool = True) -> None:
        self.engine, self.refuses, self.logprobs = engine, refuses, logprobs
        self.label, self.bank = engine.label, engine.bank

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        good = iter(self.engine.answer([r for r in requests if not self.refuses(r)], params))
        failed = (Answer.failed("server", "500"),) * params.k
        given_ = [failed if self.refuses(r) else next(good) for r in requests]
        if self.logprobs:
            return given_
        return [tuple(Answer(a.text, a.n_tokens, a.finish_reason) for a in one) for one in given_]


def test_sima_gives_a_greedy_answer_and_a_sample_that_each_name_their_temperature(engine, asked):
    prompts, _ = asked
    groups = _collect(engine, prompts, "sima", temperature=1.5)
    assert [g.prompt for g in groups] == prompts
    shapes = {tuple((c.index, c.sampling.temperature, c.sampling.strategy) for c in g.completions) for g in groups}
    assert shapes == {((0, 0.0, "sima"), (1, 1.5, "sima"))}
    greedy = engine.answer([Request.of(p) for p in prompts], SamplingParams(temperature=0.0, max_new_tokens=12))
    assert [g.completions[0].text for g in groups] == [a[0].text for a in greedy]
    same = [g.completions[0].text == g.completions[1].text for g in groups]
    assert set(same) == {True, False}, "equal ones stay, and some differ"


def test_best_of_n_keeps_the_best_different_answers_of_those_that_plain_sampling_draws(tiny_engine, asked):
    prompts, _ = asked
    config = {"max_new_tokens": 2, "top_k": 4}
    drawn = _collect(tiny_engine, prompts, "random", k=12, **config)
    for by in ("likelihood", "votes"):
        groups = _collect(tiny_engine, prompts, {"name": "best_of_n", "n": 12, "by": by}, k=3, **config)
        for group, all_ in zip(groups, drawn, strict=True):
            kept = [_notes(c) for c in group.completions]
            assert [c.index for c in group.completions] == [n["rank"] for n in kept] == list(range(len(kept)))
            assert 1 <= len(kept) <= 3
            assert {n["n"] for n in kept} == {12}
            for completion, notes in zip(group.completions, kept, strict=True):
                assert completion.text == all_.completions[int(notes["draw"])].text
                assert notes["log_likelihood"] == completion.logprob_sum / completion.n_tokens
            values = [n["votes" if by == "votes" else "log_likelihood"] for n in kept]
            assert values == sorted(values, reverse=True)


def test_a_tree_keeps_different_answers_whose_likelihood_is_that_of_the_whole_text(engine, asked):
    prompts = [p for p in asked[0] if p.skill in ("caption", "relation", "read")]
    groups = _collect(engine, prompts, TREE, temperature=2.0)
    depths = set()
    for group in groups:
        texts = [c.text for c in group.completions]
        assert 1 <= len(texts) == len(set(texts)) <= 3
        for completion in group.completions:
            notes = _notes(completion)
            depths.add(notes["depth"])
            assert completion.input is None
            assert completion.sampling.stop == (",",)
            assert notes["log_likelihood"] == pytest.approx(completion.logprob_sum / completion.n_tokens)
            assert completion.text.count(",") <= 3
            assert _logprob(engine, group.prompt, completion) == pytest.approx(completion.logprob_sum, abs=1e-3)
    assert len(depths) > 1


def _logprob(engine: TransformersEngine, prompt: Prompt, completion: Completion) -> float:
    """Log-probability of the whole answer in one pass, with its end token where it has come to its end."""
    import torch

    ids = engine.processor.tokenizer(completion.text)["input_ids"]
    ids += engine.ends[: completion.n_tokens - len(ids)]
    assert len(ids) == completion.n_tokens
    inputs = encode(
        engine.processor,
        [chat_text(engine.processor, prompt.messages, len(prompt.images))],
        [engine.bank.images(prompt.images)],
    )
    start = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([ids])], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.inference_mode():
        logits = engine.model(**inputs).logits[0, start - 1 : -1]
    return float(logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None]).sum())


def test_a_tree_goes_on_sentence_by_sentence_and_is_cut_at_its_depth(tiny_engine, asked):
    vocabulary = list(tiny_engine.processor.tokenizer.get_vocab())
    # Every word ends a sentence of this model, so a tree of depth 2 has two words.
    ends = [word for word in vocabulary if not word.startswith("<")]
    groups = _collect(tiny_engine, asked[0][:4], {**TREE, "depth": 2, "ends": ends})
    cut = [c for g in groups for c in g.completions if c.finish_reason == "length"]
    assert cut
    assert {len(c.text.split()) for c in cut} == {2}
    assert {_notes(c)["depth"] for c in cut} == {2.0}


def test_the_same_seed_gives_the_same_tree_whatever_the_order_of_prompts(engine, asked):
    prompts, _ = asked
    once = _collect(engine, prompts, TREE)
    assert _collect(engine, prompts, TREE) == once
    back = _collect(engine, prompts[::-1], TREE)[::-1]
    assert [[c.text for c in g.completions] for g in back] == [[c.text for c in g.completions] for g in once]


@pytest.mark.parametrize("strategy", ["sima", TREE, {"name": "best_of_n", "n": 3, "k": 2}])
def test_a_prompt_that_fails_is_a_row_with_a_reason_and_the_others_are_made(engine, asked, strategy):
    prompts = asked[0][:3]
    refusing = Refusing(engine, lambda r: r.id.startswith(prompts[1].id))
    bad = _collect(refusing, prompts, strategy)[1]
    assert bad.completions
    assert {(c.text, c.finish_reason, c.error, c.n_tokens) for c in bad.completions} == {
        ("", "error", "server: 500", 0)
    }
    good = [g for g in _collect(refusing, prompts, strategy) if g.prompt != prompts[1]]
    assert all(c.error is None for g in good for c in g.completions)


def test_a_beam_that_fails_leaves_its_place_to_those_that_live_and_is_counted(engine, asked):
    captions = [p for p in asked[0] if p.skill == "caption"]
    whole = _collect(engine, captions, TREE, temperature=2.0)
    assert any(_notes(c)["depth"] > 1 for g in whole for c in g.completions)
    # The second place of each depth beyond the first fails, and what goes on there with it.
    refusing = Refusing(engine, lambda r: bool(r.begun) and r.id.endswith(".1"))
    lost = 0
    for group in _collect(refusing, captions, TREE, temperature=2.0):
        assert group.completions
        assert all(c.error is None and c.text for c in group.completions)
        counts = {_notes(c).get("lost", 0.0) for c in group.completions}
        assert len(counts) == 1, "all of a group tell of the same loss"
        lost += counts.pop() > 0
    assert lost
    assert not any("lost" in _notes(c) for g in whole for c in g.completions)


def test_a_tree_whose_beams_all_fail_is_one_error_without_a_text(tiny_engine, asked):
    ends = [word for word in tiny_engine.processor.tokenizer.get_vocab() if not word.startswith("<")]
    groups = _collect(Refusing(tiny_engine, lambda r: bool(r.begun)), asked[0][:6], {**TREE, "ends": ends}, top_k=5)
    alone = [g for g in groups if g.completions[0].error]
    assert alone
    for group in alone:
        (one,) = group.completions
        assert (one.text, one.finish_reason, one.error) == ("", "error", "server: 500")
        assert (one.n_tokens, one.logprob_sum, one.notes) == (0, None, ())


@pytest.mark.parametrize("strategy", [TREE, {"name": "best_of_n", "n": 3, "k": 1}])
def test_ranking_by_likelihood_needs_log_probabilities(engine, asked, strategy):
    with pytest.raises(SamplingError, match="no log-probabilities"):
        _collect(Refusing(engine, lambda _: False, logprobs=False), asked[0][:2], strategy)


@pytest.mark.parametrize("strategy", ["sima", TREE])
def test_what_needs_chance_refuses_temperature_zero(engine, asked, strategy):
    with pytest.raises(SamplingError, match=r"generate\.temperature is 0; raise it"):
        _collect(engine, asked[0][:1], strategy, temperature=0.0)


def test_best_of_n_refuses_to_keep_more_than_it_samples(engine, asked):
    with pytest.raises(SamplingError, match="keeps k 8 of n 4; set its n to 8 or more"):
        _collect(engine, asked[0][:1], {"name": "best_of_n", "n": 4})


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ({"name": "sima", "k": 4}, "leave k out"),
        ({"name": "sima", "temperature": 0}, "raise the temperature"),
        ({"name": "beam_tree", "k": 4}, "set beams and leave k out"),
        ({"name": "beam_tree", "temperature": 0}, "raise the temperature"),
        ({"name": "beam_tree", "ends": [".", "\n"]}, "blanks alone"),
        ({"name": "best_of_n", "n": 4, "k": 8}, "set n to 8 or more"),
        ({"name": "best_of_n", "temperature": 0}, "32 times the same answer"),
    ],
)
def test_a_strategy_that_cannot_work_is_refused_with_the_recipe(strategy, said):
    with pytest.raises(RecipeError, match=said):
        parse({"name": "a", "generate": {"strategy": strategy}})


beams = st.lists(
    st.builds(
        Beam,
        text=st.lists(st.sampled_from("abcd"), max_size=4).map(" ".join),
        n_tokens=st.integers(1, 5),
        logprob_sum=st.floats(-20, 0),
        finish=st.sampled_from([None, "stop"]),
    ),
    max_size=12,
)


@given(beams, st.integers(1, 5), st.floats(0, 5))
def test_a_selection_is_distinct_full_and_begins_with_the_likeliest(candidates, width, diversity):
    chosen = select(candidates, width, diversity)
    distinct = {(b.text, b.finish) for b in candidates}
    assert len(chosen) == min(width, len(distinct))
    assert len({(b.text, b.finish) for b in chosen}) == len(chosen)
    assert all(one in candidates for one in chosen)
    if chosen:
        assert chosen[0].likelihood == max(b.likelihood for b in candidates)


@given(beams, st.integers(1, 5))
def test_without_diversity_a_selection_is_the_likeliest_in_order(candidates, width):
    values = [b.likelihood for b in select(candidates, width, 0.0)]
    assert values == sorted(values, reverse=True)


@given(beams, st.integers(1, 5), st.floats(0, 5))
def test_selecting_again_from_a_selection_changes_nothing(candidates, width, diversity):
    chosen = select(candidates, width, diversity)
    assert select(chosen, width, diversity) == chosen


def test_a_different_answer_is_taken_before_a_likelier_one_that_says_nearly_the_same():
    best, near, other = (
        Beam("red circle , blue square", 5, -0.5),
        Beam("red circle , blue circle", 5, -1.0),
        Beam("green triangle", 3, -2.4),
    )
    assert select([near, other, best], 2, 0.0) == [best, near]
    assert select([near, other, best], 2, 3.0) == [best, other]


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_overlap_is_symmetric_from_0_to_1_and_1_for_the_same_words_only(one, other):
    left, right = Counter(one), Counter(other)
    assert 0 <= overlap(left, right) == overlap(right, left) <= 1
    assert (overlap(left, right) == 1) == (left == right)


@given(st.lists(st.tuples(st.sampled_from([" a ,", "b c ,\n", " d"]), st.integers(1, 4), st.floats(-5, 0)), max_size=5))
def test_a_beam_sums_tokens_and_log_probability_of_its_sentences(sentences):
    beam = Beam()
    for text, tokens, logprob in sentences:
        beam = beam.grown(Answer.said(text, beam.text or "x", tokens, "stop", logprob), [",\n", ","])
    assert beam.n_tokens == sum(tokens for _, tokens, _ in sentences)
    assert beam.logprob_sum == pytest.approx(sum(logprob for _, _, logprob in sentences))
    assert beam.text == "".join(text for text, _, _ in sentences), "with the line ends between them"
    assert beam.depth == len(sentences)
    ended = bool(sentences) and sentences[-1][0] == " d"
    assert beam.finish == ("stop" if ended else None)
