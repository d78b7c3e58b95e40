"""What is asked of a server and what becomes of its answers, over real HTTP. Faults are in test_endpoint_faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import ValidationError

from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Request, joined
from ratchet.generate.engines.endpoint import EndpointEngine
from ratchet.recipe import EndpointConfig
from ratchet.records import ImageRef, Message, Prompt
from ratchet.store import FolderStore
from tests import tiny
from tests.endpoint_replies import pictures_of
from tests.endpoints import MODEL, FaultyEndpoint, serving

SAMPLED = SamplingParams(k=3, max_new_tokens=6, seed=7)
GREEDY = SamplingParams(strategy="greedy", temperature=0.0, max_new_tokens=6)


@pytest.fixture
def endpoint() -> Iterator[FaultyEndpoint]:
    with serving(FaultyEndpoint()) as server:
        yield server


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Prompt], ImageBank, dict[str, bytes]]:
    prompts, pictures = tiny.world("pool", 36)
    return prompts, tiny.bank(FolderStore(str(tmp_path_factory.mktemp("endpoint-store"))), pictures), pictures


@pytest.fixture
def engine(endpoint, world) -> EndpointEngine:
    return opened(endpoint, world)


def opened(endpoint, world, **config) -> EndpointEngine:
    return EndpointEngine(EndpointConfig(url=endpoint.url, **config), world[1], "seed-3")


def test_every_prompt_gets_k_completions_in_the_order_given_whatever_the_server_finishes_first(endpoint, world):
    prompts = world[0]
    endpoint.plan(*["slow", ""] * 10)
    groups = list(opened(endpoint, world, concurrency=4).sample(prompts, SAMPLED))
    assert [g.prompt for g in groups] == prompts
    again = list(opened(endpoint, world, concurrency=1).sample(prompts, SAMPLED))
    assert groups == again
    assert all([c.index for c in g.completions] == [0, 1, 2] for g in groups)
    assert len({c.text for g in groups for c in g.completions}) > 50


def test_the_body_names_every_sampling_parameter_and_shows_the_banks_own_bytes(endpoint, engine, world):
    prompts, _, pictures = world
    two = next(p for p in prompts if len(p.images) == 2)
    engine.answer([Request.of(two)], SAMPLED.model_copy(update={"top_k": 20, "top_p": 0.9, "temperature": 0.7}))
    body = endpoint.seen[-1]
    assert pictures_of(body) == [(ref.media_type, pictures[ref.sha256]) for ref in two.images]
    assert [part["type"] for part in body["messages"][-1]["content"]] == ["image_url", "image_url", "text"]
    said = {k: v for k, v in body.items() if k not in ("messages", "seed")}
    assert said == {
        "model": MODEL,
        "n": 3,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 20,
        "max_tokens": 6,
        "logprobs": True,
        "return_token_ids": True,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
    }
    assert 0 <= body["seed"] < 2**31


def test_pictures_come_before_the_first_user_turns_text_as_the_other_engines_put_them(endpoint, engine, world):
    prompt = world[0][0]
    turns = [
        Message(role="system", content="answer"),
        Message(role="user", content="how many ?"),
        Message(role="assistant", content="2"),
        Message(role="user", content="where ?"),
    ]
    engine.answer([Request("x", tuple(turns), prompt.images)], GREEDY)
    said = endpoint.seen[-1]["messages"]
    assert [m["role"] for m in said] == ["system", "user", "assistant", "user"]
    assert [part["type"] for part in said[1]["content"]] == ["image_url"] * len(prompt.images) + ["text"]
    assert (said[0]["content"], said[2]["content"], said[3]["content"]) == ("answer", "2", "where ?")


def test_n_tokens_counts_the_end_token_and_the_likelihood_is_the_sum(endpoint, engine, world):
    (answers,) = engine.answer([Request.of(world[0][0])], SamplingParams(k=16, max_new_tokens=5))
    assert {a.finish_reason for a in answers} == {"stop", "length"}
    for a in answers:
        assert a.n_tokens == len(a.text.split()) + (a.finish_reason == "stop")
        assert a.logprob_sum is not None
        assert -a.n_tokens < a.logprob_sum < 0


def test_without_logprobs_the_likelihood_is_unknown_and_the_rest_the_same(endpoint, world):
    requests = [Request.of(p) for p in world[0][:5]]
    with_them = opened(endpoint, world).answer(requests, SAMPLED)
    without = opened(endpoint, world, logprobs=False).answer(requests, SAMPLED)
    assert without == [tuple(replace(a, logprob_sum=None) for a in row) for row in with_them]


def test_an_answer_that_a_stop_text_ended_includes_it(endpoint, engine, world):
    requests = [Request.of(p) for p in world[0]]
    params = SamplingParams(k=2, max_new_tokens=8, stop=("red", "dog"))
    vllm = engine.answer(requests, params)
    plain = opened(endpoint, world, dialect="openai").answer(requests, params)
    assert plain == vllm, "the same record whether or not the server keeps the stop text itself"
    texts = [a.text for row in vllm for a in row]
    assert any(t.endswith("red") for t in texts)
    assert any(t.endswith("dog") for t in texts)
    assert not any({"red", "dog"} & set(t.split()[:-1]) for t in texts)
    assert endpoint.seen[-1].get("include_stop_str_in_output") is None


def test_a_server_that_does_not_say_which_stop_text_ended_an_answer_gives_an_error(endpoint, world, monkeypatch):
    from tests import endpoint_replies

    honest = endpoint_replies.choice_of
    monkeypatch.setattr(
        endpoint_replies, "choice_of", lambda b, i: {k: v for k, v in honest(b, i).items() if k != "stop_reason"}
    )
    engine = opened(endpoint, world, dialect="openai")
    rows = engine.answer([Request.of(p) for p in world[0]], SamplingParams(max_new_tokens=8, stop=("red",)))
    assert {a.finish_reason for (a,) in rows} == {"error", "length"}
    assert all("which stop text" in a.error for (a,) in rows if a.finish_reason == "error")


def test_going_on_from_a_beginning_is_asked_as_vllm_wants_it(endpoint, engine, world):
    (answer,) = engine.answer([Request("x", world[0][0].messages, world[0][0].images, begun="there is")], GREEDY)
    body = endpoint.seen[-1]
    assert body["messages"][-1] == {"role": "assistant", "content": "there is"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert answer[0].error is None


@pytest.mark.parametrize(
    ("begun", "said", "whole"),
    [
        ("the colou", "r is red", "the colour is red"),
        ("A man", " , who \n", "A man , who"),
        ("One.", "\nTwo.", "One.\nTwo."),
        ("One.\n", "\nTwo.", "One.\n\nTwo."),
        ("A man ", " smiles", "A man smiles"),
        ("", " A man", "A man"),
    ],
)
def test_what_the_server_says_is_joined_to_the_beginning_as_it_is(engine, world, monkeypatch, begun, said, whole):
    from tests import endpoint_replies

    honest = endpoint_replies.choice_of
    monkeypatch.setattr(
        endpoint_replies, "choice_of", lambda b, i: {**honest(b, i), "message": {"role": "assistant", "content": said}}
    )
    ((answer,),) = engine.answer([Request("x", world[0][0].messages, world[0][0].images, begun=begun)], GREEDY)
    assert joined(begun, answer.text) == whole


def test_a_server_that_shows_no_sign_of_going_on_from_a_beginning_gives_an_error(endpoint, engine, world):
    endpoint.plan("no_ids")
    request = Request("x", world[0][0].messages, world[0][0].images, begun="there is")
    assert "beginning" in engine.answer([request], GREEDY)[0][0].error
    (answer,) = opened(endpoint, world, dialect="openai").answer([request], GREEDY)
    assert answer[0].error.startswith("refused: ")
    assert "dialect" in answer[0].error


def test_one_completion_a_request_gives_other_seeds_and_the_same_number(endpoint, world):
    engine = opened(endpoint, world, n_per_request=1)
    (answers,) = engine.answer([Request.of(world[0][0])], SAMPLED)
    asked = [b for b in endpoint.seen if "n" in b]
    assert [b["n"] for b in asked] == [1, 1, 1]
    assert len({b["seed"] for b in asked}) == 3
    assert len(answers) == 3


@pytest.mark.parametrize(("n", "sizes"), [(2, [1, 2, 2]), (7, [5]), (5, [5])])
def test_completions_are_split_over_requests_of_at_most_n(endpoint, world, n, sizes):
    engine = opened(endpoint, world, n_per_request=n)
    (answers,) = engine.answer([Request.of(world[0][0])], SamplingParams(k=5, max_new_tokens=4))
    assert len(answers) == 5
    assert sorted(b["n"] for b in endpoint.seen if "n" in b) == sizes


def test_a_prompt_that_leaves_too_little_room_is_refused_with_a_count_though_vllm_would_shorten_the_answer(
    endpoint, world
):
    requests = [Request.of(p) for p in world[0][:2]]
    endpoint.max_model_len = 40
    engine = opened(endpoint, world)
    assert {
        a.error for row in engine.answer(requests, GREEDY.model_copy(update={"max_new_tokens": 10})) for a in row
    } == {None}
    words = "too_long: 30 tokens with pictures and max_new_tokens 11 exceed the model's 40 positions"
    rows = engine.answer(requests, GREEDY.model_copy(update={"max_new_tokens": 11}))
    assert {a.error for row in rows for a in row} == {words}


def test_without_token_ids_the_usage_counts_one_answer_and_the_logprobs_several(endpoint, engine, world):
    request = Request.of(world[0][1])
    exact = engine.answer([request], SAMPLED)
    endpoint.plan("no_ids")
    assert engine.answer([request], SAMPLED) == exact
    alone = engine.answer([request], GREEDY)
    endpoint.plan("no_counts")
    (answer,) = engine.answer([request], GREEDY)
    assert answer[0] == replace(alone[0][0], logprob_sum=None)


def test_a_server_that_does_not_count_several_answers_stops_with_what_to_set(endpoint, engine, world):
    endpoint.plan("no_counts")
    with pytest.raises(SamplingError, match="n_per_request to 1"):
        engine.answer([Request.of(world[0][0])], SAMPLED)


def test_teacher_answers_name_the_served_model_and_seed_answers_the_seed(endpoint, world):
    teacher, seed = opened(endpoint, world), opened(endpoint, world, serves="seed")
    assert (teacher.label, seed.label) == (MODEL, "seed-3")
    groups = list(teacher.sample(world[0][:2], SAMPLED))
    assert {c.model for g in groups for c in g.completions} == {MODEL}


def test_the_batch_hook_counts_all_completions_as_they_arrive(endpoint, world):
    made: list[int] = []
    engine = EndpointEngine(EndpointConfig(url=endpoint.url), world[1], "x", on_batch=made.append)
    engine.answer([Request.of(p) for p in world[0][:9]], SAMPLED)
    assert made == [3] * 9


def test_no_more_requests_than_agreed_are_in_flight(endpoint, world):
    endpoint.plan("slow", always=True)
    engine = opened(endpoint, world, concurrency=3)
    engine.answer([Request.of(p) for p in world[0][:12]], GREEDY)
    assert endpoint.most_at_once == 3


def test_a_picture_that_is_missing_fails_its_row_alone_and_is_not_asked(endpoint, engine, world):
    prompts = world[0][:3]
    gone = ImageRef(sha256="0" * 64, media_type="image/png", width=1, height=1)
    requests = [Request.of(prompts[0]), Request("gone", prompts[1].messages, (gone,)), Request.of(prompts[2])]
    first, lost, last = engine.answer(requests, SAMPLED)
    assert [a.error.partition(":")[0] for a in lost] == ["picture"] * 3
    assert all(a.error is None for a in first + last)
    assert len([b for b in endpoint.seen if "n" in b]) == 2


def test_further_fields_go_along_and_those_that_the_rows_record_may_not_be_contradicted(endpoint, world):
    engine = opened(endpoint, world, options={"frequency_penalty": 0.1}, length_field="max_completion_tokens")
    engine.answer([Request.of(world[0][0])], GREEDY)
    assert (endpoint.seen[-1]["frequency_penalty"], endpoint.seen[-1]["max_completion_tokens"]) == (0.1, 6)
    assert "max_tokens" not in endpoint.seen[-1]
    with pytest.raises(ValidationError, match="temperature would contradict"):
        EndpointConfig(options={"temperature": 2})


def test_openais_dialect_sends_no_field_of_its_own_and_refuses_what_it_cannot_say(endpoint, world):
    engine = opened(endpoint, world, dialect="openai")
    engine.answer([Request.of(world[0][0])], SAMPLED)
    assert not {"return_token_ids", "top_k", "include_stop_str_in_output"} & set(endpoint.seen[-1])
    with pytest.raises(SamplingError, match="top_k 5"):
        engine.answer([Request.of(world[0][0])], SAMPLED.model_copy(update={"top_k": 5}))
    with pytest.raises(SamplingError, match="n_per_request"):
        opened(endpoint, world, dialect="openai", logprobs=False).answer([Request.of(world[0][0])], SAMPLED)


def test_what_a_server_would_fill_in_from_its_checkpoint_is_said_and_what_it_would_change_is_refused(
    endpoint, engine, world
):
    engine.answer([Request.of(world[0][0])], SAMPLED)
    assert (endpoint.seen[-1]["top_k"], endpoint.seen[-1]["min_p"], endpoint.seen[-1]["repetition_penalty"]) == (
        -1,
        0,
        1,
    )
    with pytest.raises(SamplingError, match=r"not at 0\.001"):
        engine.answer([Request.of(world[0][0])], SAMPLED.model_copy(update={"temperature": 0.001}))


def test_greedy_decoding_refuses_more_than_one_completion(engine, world):
    with pytest.raises(SamplingError, match="would be the same"):
        engine.answer([Request.of(world[0][0])], SamplingParams(k=2, temperature=0.0))


def test_no_requests_give_no_answers(engine):
    assert engine.answer([], SAMPLED) == []
