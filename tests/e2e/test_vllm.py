"""vLLM for real on a CPU, in this process, one engine at a time.

The yardstick is TransformersEngine on the shipped seed in float32: the same answers, counts, reasons and likelihoods.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from ratchet.artifacts import ImageBank
from ratchet.generate import SamplingParams
from ratchet.generate.chat import chat_text, encode
from ratchet.generate.engine import Answer, Given, Request
from ratchet.generate.engines.local import TransformersEngine
from ratchet.generate.engines.vllm_engine import VllmEngine
from ratchet.records import ImageRef, Message
from tests.vllm_servers import (
    GREEDY,
    NATS,
    OneVllm,
    check_agreement,
    check_gone_on,
    distance,
    needs_vllm,
    resident_mib,
    said,
    shuffled,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_vllm]

SAMPLED = SamplingParams(k=8, max_new_tokens=32, seed=3)


@pytest.fixture
def vllm(one_vllm: OneVllm) -> VllmEngine:
    return one_vllm.open()


def test_greedy_answers_agree_with_transformers(
    vllm: VllmEngine, seed_world: tuple[list[Request], ImageBank], expected: list[Answer]
) -> None:
    check_agreement(seed_world[0], [a for (a,) in vllm.answer(seed_world[0], GREEDY)], expected, "vllm")


def question(text: str, *pictures: ImageRef, **fields: Any) -> Request:
    return Request(text + str(len(pictures)), (Message(role="user", content=text),), pictures, **fields)


@pytest.fixture(scope="module")
def drawn(seed_world: tuple[list[Request], ImageBank]) -> Callable[[int, int], ImageRef]:
    """A picture of one colour and any size."""

    def draw(width: int, height: int, red: int = 200) -> ImageRef:
        buffer = io.BytesIO()
        Image.new("RGB", (width, height), (red, 30, 30)).save(buffer, "PNG")
        return seed_world[1].add(buffer.getvalue())

    return draw


def test_both_engines_see_the_same_tokens(
    vllm: VllmEngine, local: TransformersEngine, seed_world: tuple[list[Request], ImageBank], drawn: Any
) -> None:
    turns = (Message(role="system", content="answer"), Message(role="user", content="how many ?"))
    odd = [
        question("how many red circles ?", drawn(width, height))
        for width, height in ((48, 48), (30, 20), (300, 200), (2000, 3), (1, 1))
    ]
    more = [
        question("how many red circles ?", drawn(48, 48), begun="there are"),
        question("how many red circles ?", *[drawn(48, 48, red) for red in range(16)]),
        question("how many red circles ?"),
        Request("turns", turns, (drawn(48, 48), drawn(30, 20))),
    ]
    for request in [*seed_world[0][:60], *odd, *more]:
        text = chat_text(local.processor, request.messages, len(request.images), request.begun)
        pictures = seed_world[1].images(request.images)
        ours = vllm._rendered(text, pictures)["prompt_token_ids"]
        assert ours == encode(local.processor, [text], [pictures])["input_ids"][0].tolist(), said(request)
    ours, theirs = ([a for (a,) in e.answer([*odd, *more], GREEDY)] for e in (vllm, local))
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.text, mine.n_tokens, mine.finish_reason) == (other.text, other.n_tokens, other.finish_reason)
        assert mine.logprob_sum == pytest.approx(other.logprob_sum, abs=NATS)


def test_a_cut_answer_is_gone_on_to_the_same_answer(
    vllm: VllmEngine, local: TransformersEngine, seed_world: tuple[list[Request], ImageBank], expected: list[Answer]
) -> None:
    check_gone_on(vllm, seed_world[0], expected, local)


def test_what_the_chat_template_refuses_is_failed_in_the_same_words(
    vllm: VllmEngine, local: TransformersEngine, seed_world: tuple[list[Request], ImageBank], monkeypatch: Any
) -> None:
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    for engine in (vllm, local):
        monkeypatch.setattr(engine.processor, "chat_template", refusing + engine.processor.chat_template)
    plain = seed_world[0][0]
    system = replace(plain, id="s", messages=(Message(role="system", content="answer"), *plain.messages))
    ours, theirs = (engine.answer([system, plain], GREEDY) for engine in (vllm, local))
    assert ours[0] == theirs[0]
    assert ours[0][0].error == "refused: the chat template refuses these messages: no system turn"
    assert ours[1][0].error is None


@pytest.mark.parametrize(
    "changes",
    [{"max_new_tokens": 1}, {"stop": ("red", "blue")}, {"stop": ("circle",), "max_new_tokens": 3}],
    ids=["cut", "stop", "stop or cut"],
)
def test_an_answer_ends_for_the_same_reason_and_counts_the_same(
    vllm: VllmEngine, local: TransformersEngine, seed_world: tuple[list[Request], ImageBank], changes: dict[str, Any]
) -> None:
    params = GREEDY.model_copy(update=changes)
    ours, theirs = ([a for (a,) in e.answer(seed_world[0][:200], params)] for e in (vllm, local))
    assert [(a.text, a.n_tokens, a.finish_reason) for a in ours] == [
        (a.text, a.n_tokens, a.finish_reason) for a in theirs
    ]
    assert [a.logprob_sum for a in ours] == pytest.approx([a.logprob_sum for a in theirs], abs=NATS)
    assert ({a.finish_reason for a in ours} == {"length"}) == (params.max_new_tokens == 1)
    for stop in params.stop:
        assert any(a.text.endswith(stop) for a in ours)


def test_what_cannot_be_asked_is_failed_in_the_same_words_and_the_others_are_answered(
    vllm: VllmEngine, local: TransformersEngine, seed_world: tuple[list[Request], ImageBank], drawn: Any
) -> None:
    missing = ImageRef(sha256="0" * 64, media_type="image/png", width=1, height=1)
    asked = [
        seed_world[0][0],
        question("how many ?", missing),
        question("how many ?", *[drawn(48, 48, red) for red in range(21)]),
        question("what is <image> ?", drawn(48, 48)),
        seed_world[0][1],
    ]
    counted: list[int] = []
    vllm.on_batch = counted.append
    ours = vllm.answer(asked, SAMPLED.model_copy(update={"k": 2}))
    vllm.on_batch = None
    theirs = local.answer(asked, SAMPLED.model_copy(update={"k": 2}))
    assert sum(counted) == 10
    assert [row[0].finish_reason for row in ours] == ["stop", "error", "error", "error", "stop"]
    for mine, other in zip(ours[1:4], theirs[1:4], strict=True):
        assert mine == other
    assert [(row[0].error or "").split(":")[0] for row in ours[1:4]] == ["picture", "too_long", "refused"]


def test_the_same_call_gives_the_same_bytes_in_any_order_and_batch(
    vllm: VllmEngine, seed_world: tuple[list[Request], ImageBank]
) -> None:
    import torch

    requests = seed_world[0][:120]
    torch.manual_seed(1)
    numbers = torch.rand(3)
    torch.manual_seed(1)
    first = vllm.answer(requests, SAMPLED)
    assert torch.equal(torch.rand(3), numbers), "the process's random numbers are left alone"
    assert vllm.answer(requests, SAMPLED) == first
    assert vllm.answer(requests[::-1], SAMPLED)[::-1] == first
    vllm.batch_size = 5
    small = vllm.answer(requests, SAMPLED)
    vllm.batch_size = 256
    assert [[a.text for a in row] for row in small] == [[a.text for a in row] for row in first]
    other = vllm.answer(requests, SAMPLED.model_copy(update={"seed": 4}))
    assert other != first
    assert sum(len({a.text for a in row}) > 1 for row in first) > 20, "completions of a prompt are drawn apart"


@pytest.mark.parametrize("cuts", [{}, {"temperature": 1.7, "top_p": 0.9, "top_k": 12}], ids=["plain", "hot and cut"])
def test_sampled_answers_have_the_frequencies_of_transformers(
    vllm: VllmEngine, local: TransformersEngine, seed_world: tuple[list[Request], ImageBank], cuts: dict[str, Any]
) -> None:
    """30 prompts x 64 answers. Test: the mean total variation of both engines' frequencies, against 500 permutations."""
    requests = seed_world[0][:30]
    params = SamplingParams(k=64, max_new_tokens=12, seed=11, **cuts)
    ours, theirs = ([[a.text for a in row] for row in engine.answer(requests, params)] for engine in (vllm, local))
    assert sum(len({*mine, *other}) > 1 for mine, other in zip(ours, theirs, strict=True)) >= 15
    found = distance(ours, theirs)
    chance = random.Random(5)
    by_chance = sorted(distance(*shuffled(ours, theirs, chance)) for _ in range(500))
    rank = sum(one >= found for one in by_chance) / len(by_chance)
    print(f"\ntotal variation {found:.4f}, by chance {by_chance[250]:.4f}, p = {rank:.3f}")  # noqa: T201
    assert rank > 0.005


def test_memory_stays_flat_from_call_to_call(vllm: VllmEngine, seed_world: tuple[list[Request], ImageBank]) -> None:
    requests = seed_world[0][:250]
    for _ in range(2):
        vllm.answer(requests, SAMPLED)
    before = resident_mib()
    for _ in range(3):
        vllm.answer(requests, SAMPLED)
    assert resident_mib() - before < 64


def test_given_texts_are_as_likely_as_with_transformers(
    vllm: VllmEngine, local: TransformersEngine, seed_world: tuple[list[Request], ImageBank]
) -> None:
    requests = seed_world[0][:120]
    answers = local.answer(requests, SAMPLED)
    given = [
        Given(request, one.text, one.finish_reason == "stop")
        for request, said in zip(requests, answers, strict=True)
        for one in said
    ]
    blind = [replace(one, request=replace(one.request, images=())) for one in given[::8]]
    broken = [Given(requests[0], "3 <image>"), Given(requests[0], "3 " * 400)]
    asked = [*given, *blind, *broken]
    ours, theirs = vllm.likelihoods(asked), local.likelihoods(asked)
    assert [one.n_tokens for one in ours] == [one.n_tokens for one in theirs]
    slugs = [[one.error and one.error.partition(":")[0] for one in found] for found in (ours, theirs)]
    assert slugs[0] == slugs[1]
    assert slugs[0][-2:] == ["refused", "too_long"]
    apart = [abs(a.logprob_sum - b.logprob_sum) for a, b in zip(ours, theirs, strict=True) if a.logprob_sum is not None]
    sampled = [
        abs(one.logprob_sum - a.logprob_sum) for one, a in zip(ours, [a for s in answers for a in s], strict=False)
    ]
    print(f"\n{len(asked)} given texts: nats apart <= {max(apart):.1e}, from sampling <= {max(sampled):.1e}")  # noqa: T201
    assert len(apart) == len(asked) - 2
    assert max(apart) <= NATS
    assert max(sampled) <= NATS
    assert vllm.likelihoods(given) == ours[: len(given)]
