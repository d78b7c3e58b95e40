"""The likelihood of given texts: what sampling recorded for the same answers, whatever the batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import ratchet.tinyworld
from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Given, Request, joined
from ratchet.generate.engines import given_local
from ratchet.generate.engines.local import TransformersEngine
from ratchet.records import Group, Message, Prompt
from ratchet.store import FolderStore
from tests import tiny

NATS = 1e-4
SAMPLED = SamplingParams(k=4, max_new_tokens=16, seed=5)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Prompt], ImageBank]:
    prompts, pictures = tiny.world("pool", 36)
    return prompts, tiny.bank(FolderStore(str(tmp_path_factory.mktemp("store"))), pictures)


@pytest.fixture(scope="module")
def engine(world: tuple[list[Prompt], ImageBank]) -> TransformersEngine:
    return TransformersEngine(Path(ratchet.tinyworld.__file__).parent / "seed", world[1], "seed", 64)


@pytest.fixture(scope="module")
def groups(engine: TransformersEngine, world: tuple[list[Prompt], ImageBank]) -> list[Group]:
    return list(engine.sample(world[0], SAMPLED))


def given_of(groups: list[Group]) -> tuple[list[Given], list[tuple[float, int]]]:
    """The completions as given texts, and what sampling recorded of them."""
    said = [(group.prompt, c) for group in groups for c in group.completions]
    asked = [Given.of(Request.of(prompt), c) for prompt, c in said]
    return asked, [(c.logprob_sum or 0.0, c.n_tokens) for _, c in said]


def check(engine: TransformersEngine, asked: list[Given], recorded: list[tuple[float, int]]) -> None:
    found = engine.likelihoods(asked)
    assert [one.n_tokens for one in found] == [n for _, n in recorded]
    assert [one.logprob_sum for one in found] == pytest.approx([total for total, _ in recorded], abs=NATS)


def test_it_is_what_sampling_recorded(engine, groups):
    asked, recorded = given_of(groups)
    assert len({total for total, _ in recorded}) > 30
    assert len({len(group.prompt.images) for group in groups}) == 2
    check(engine, asked, recorded)


def test_it_is_the_same_where_the_cache_is_not_shared(engine, groups, monkeypatch):
    asked, recorded = given_of(groups)
    monkeypatch.setattr("ratchet.generate.engines.prefill.SHARING", frozenset())
    check(engine, asked, recorded)


def test_answers_that_were_cut_have_no_end_token(engine, world):
    cut = SamplingParams(k=2, max_new_tokens=2, seed=5)
    groups = [g for g in engine.sample(world[0], cut) if any(c.finish_reason == "length" for c in g.completions)]
    assert groups
    check(engine, *given_of(groups))


def test_answers_at_a_stop_string_have_no_end_token(engine, world):
    prompts = [p for p in world[0] if p.skill == "caption"]
    groups = list(engine.sample(prompts, SamplingParams(k=4, max_new_tokens=16, seed=5, stop=(",",))))
    assert any(c.text.endswith(",") for g in groups for c in g.completions)
    check(engine, *given_of(groups))


def test_what_goes_on_from_a_beginning_is_measured_alone(engine, world):
    prompts = [p for p in world[0] if p.skill == "caption"]
    begun = [replace(Request.of(p), begun="red circle") for p in prompts]
    answers = engine.answer(begun, SAMPLED)
    asked = [
        Given(r, a.text, a.finish_reason == "stop") for r, given in zip(begun, answers, strict=True) for a in given
    ]
    check(engine, asked, [(a.logprob_sum, a.n_tokens) for given in answers for a in given])
    # The whole is as likely as its beginning and the rest together.
    (start,) = engine.likelihoods([Given(replace(begun[0], begun=""), "red circle", ended=False)])
    (rest,) = engine.likelihoods([asked[0]])
    (whole,) = engine.likelihoods([Given(replace(begun[0], begun=""), joined(begun[0].begun, asked[0].text))])
    assert whole.logprob_sum == pytest.approx(start.logprob_sum + rest.logprob_sum, abs=NATS)


def test_without_its_picture_an_answer_has_another_likelihood(engine, world, groups):
    asked, recorded = given_of(groups)
    blind = [replace(one, request=replace(one.request, images=())) for one in asked]
    found = engine.likelihoods(blind)
    assert all(one.logprob_sum is not None for one in found)
    apart = [abs(one.logprob_sum - total) for one, (total, _) in zip(found, recorded, strict=True)]
    assert sum(a > 0.1 for a in apart) > len(apart) / 2
    mixed = engine.likelihoods([x for pair in zip(asked, blind, strict=True) for x in pair])
    assert [one.logprob_sum for one in mixed[1::2]] == pytest.approx([one.logprob_sum for one in found], abs=NATS)


@pytest.mark.parametrize("batch_size", [1, 5, 1000])
def test_it_does_not_depend_on_the_batch_nor_on_the_order(engine, groups, monkeypatch, batch_size):
    asked, recorded = given_of(groups)
    monkeypatch.setattr(engine, "batch_size", batch_size)
    check(engine, asked[:40][::-1], recorded[:40][::-1])
    assert engine.likelihoods(asked[:40]) == engine.likelihoods(asked[:40])


def test_batches_hold_no_more_logits_than_the_limit(engine, groups, monkeypatch):
    asked, recorded = given_of(groups)
    sizes = []
    sums = given_local._sums

    def seen(engine, inputs, places, rows):
        sizes.append(len(rows) * max(map(len, rows)) * 79)
        return sums(engine, inputs, places, rows)

    monkeypatch.setattr(given_local, "_sums", seen)
    monkeypatch.setattr(given_local, "LOGITS", 79 * 30)
    check(engine, asked, recorded)
    assert max(sizes) <= 79 * 30
    assert len(sizes) > 5


def test_what_cannot_be_measured_says_why_and_stops_nothing(engine, world):
    request = Request.of(world[0][0])
    gone = replace(request, images=(world[0][0].images[0].model_copy(update={"sha256": "0" * 64}),))
    asked = [
        Given(request, "3"),
        Given(request, "3 <image>"),
        Given(request, "3 " * 400),
        Given(gone, "3"),
        Given(request, "", ended=False),
        Given(replace(request, messages=(Message(role="user", content="how " * 400),)), "3"),
    ]
    found = engine.likelihoods(asked)
    assert [one.error and one.error.partition(":")[0] for one in found] == [
        None,
        "refused",
        "too_long",
        "picture",
        "empty",
        "too_long",
    ]
    assert found[0] == engine.likelihoods(asked[:1])[0]
    assert engine.likelihoods([]) == []


def test_mixed_logits_are_refused(engine, world):
    with pytest.raises(SamplingError, match="mix"):
        engine.likelihoods([Given(replace(Request.of(world[0][0]), mix=0.5), "3")])
