"""The endpoint engine against a real model behind a real server: the same record as transformers' for the same answer."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError, ServiceError
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Answer, Request
from ratchet.generate.engines.endpoint import EndpointEngine
from ratchet.generate.engines.local import TransformersEngine
from ratchet.recipe import EndpointConfig
from ratchet.records import Prompt
from ratchet.store import FolderStore
from ratchet.tinyworld import teacher as teaching
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny

GREEDY = SamplingParams(strategy="greedy", temperature=0.0, max_new_tokens=16)
SAMPLED = SamplingParams(k=4, max_new_tokens=12, seed=5)


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Prompt], ImageBank]:
    prompts, pictures = tiny.world("pool", 63)
    return prompts, tiny.bank(FolderStore(str(tmp_path_factory.mktemp("teacher-store"))), pictures)


@pytest.fixture(scope="session")
def local(asked) -> TransformersEngine:
    return TransformersEngine(SEED_DIR, asked[1], "seed", batch_size=16)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with teaching.serving(teaching.Teacher()) as address:
        yield address


@pytest.fixture(scope="session")
def remote(url, asked) -> EndpointEngine:
    return EndpointEngine(EndpointConfig(url=url, serves="seed"), asked[1], "seed")


def told(rows: list[tuple[Answer, ...]]) -> list[tuple[Any, ...]]:
    """Rows with likelihoods to the precision that other batches leave."""
    return [
        tuple(replace(a, logprob_sum=None if a.logprob_sum is None else round(a.logprob_sum, 3)) for a in row)
        for row in rows
    ]


def test_greedy_answers_are_transformers_own_record_for_record(local, remote, asked):
    prompts = asked[0]
    assert {len(p.images) for p in prompts} == {1, 2}
    ours, theirs = list(local.sample(prompts, GREEDY)), list(remote.sample(prompts, GREEDY))
    assert len({g.completions[0].text for g in ours}) > 20
    for a, b in zip(ours, theirs, strict=True):
        assert a.completions[0].logprob_sum == pytest.approx(b.completions[0].logprob_sum, abs=1e-4)
        plain = [g.model_copy(update={"completions": (g.completions[0].model_copy(update={"logprob_sum": 0.0}),)}) for g in (a, b)]  # fmt: skip
        assert plain[0] == plain[1]


def test_an_answer_that_goes_on_from_a_beginning_or_ends_at_a_stop_text_is_the_same(local, remote, asked):
    requests = [replace(Request.of(p), begun="there is a") for p in asked[0][:18]]
    requests += [Request.of(p) for p in asked[0][:18]]
    params = GREEDY.model_copy(update={"stop": ("circle", "and")})
    ours, theirs = local.answer(requests, params), remote.answer(requests, params)
    assert told(theirs) == told(ours)
    assert any(row[0].text.endswith(("circle", "and")) for row in ours)
    assert ours != local.answer(requests, GREEDY)


def test_sampled_answers_repeat_for_the_same_seed_and_differ_for_another(remote, asked):
    requests = [Request.of(p) for p in asked[0][:12]]
    first = remote.answer(requests, SAMPLED)
    assert remote.answer(requests, SAMPLED) == first
    assert remote.answer(requests, SAMPLED.model_copy(update={"seed": 6})) != first
    assert len({a.text for row in first for a in row}) > 12
    assert all(len(row) == 4 and a.logprob_sum < 0 for row in first for a in row)


def test_an_over_long_request_is_an_error_with_its_count(remote, asked):
    (answer,) = remote.answer([Request.of(asked[0][0])], SamplingParams(max_new_tokens=255))
    assert answer[0].error.startswith("too_long: ")
    assert "255 exceed the model's 256 positions" in answer[0].error


def test_the_likelihood_of_hot_sampling_is_the_models_at_temperature_one(remote, local, asked):
    """A sampled answer scored greedily from its own words: the first token's likelihood cannot depend on the heat."""
    request = Request.of(asked[0][0])
    hot = SamplingParams(k=8, temperature=3.0, max_new_tokens=1)
    plain = SamplingParams(k=64, temperature=1.0, max_new_tokens=1)
    likelihood = {a.text: a.logprob_sum for a in local.answer([request], plain)[0]}
    shared = [a for a in remote.answer([request], hot)[0] if a.text in likelihood]
    assert shared
    assert [a.logprob_sum for a in shared] == pytest.approx([likelihood[a.text] for a in shared], abs=1e-3)


def post(url: str, body: Any) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def turn(content: Any) -> dict[str, Any]:
    return {"model": teaching.NAME, "messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 400, "valid dictionary"),
        (turn("how many ?") | {"min_p": 0.5}, 400, "min_p: Input should be 0"),
        (turn("how many ?") | {"frequency_penalty": 1}, 400, "frequency_penalty: Extra inputs"),
        (turn("how many ?") | {"stream": True}, 400, "stream"),
        (turn("how many ?") | {"model": "other"}, 404, "'other' does not exist"),
        (turn("how many ?") | {"n": 2, "temperature": 0}, 400, "would be the same"),
        (turn("how many ?") | {"continue_final_message": True}, 400, "last turn of the assistant"),
        (turn([{"type": "image_url", "image_url": {"url": "http://host/x.png"}}, {"type": "text", "text": "x"}]), 400, "data URLs"),
        (turn([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, {"type": "text", "text": "x"}]), 400, "no picture"),
        (turn([{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]), 400, "then one text"),
    ],
)  # fmt: skip
def test_what_the_teacher_cannot_do_it_refuses_with_a_reason(url, body, status, words):
    code, reply = post(f"{url}/chat/completions", body)
    assert code == status
    assert words in reply["error"]["message"]


def test_a_wrong_address_is_not_found_and_a_taken_port_says_so(url, asked):
    assert post(f"{url}/completions", {})[0] == 404
    with pytest.raises(SamplingError, match="/v1"):
        EndpointEngine(EndpointConfig(url=url.removesuffix("/v1")), asked[1], "x")
    with pytest.raises(ServiceError, match="cannot listen at"):
        teaching.main(["--port", url.split(":")[2].split("/")[0]])
