"""A server that misbehaves, over real HTTP: what passes is retried, what does not is an error on its row or a clear stop."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Answer, Request, completion
from ratchet.generate.engines.endpoint import EndpointEngine
from ratchet.recipe import EndpointConfig
from ratchet.records import Completion
from ratchet.store import FolderStore
from tests import tiny
from tests.endpoints import MODEL, TRANSIENT, Clock, FaultyEndpoint, serving

PARAMS = SamplingParams(k=2, max_new_tokens=6, seed=7)
SECRET = "sk-very-secret-0123456789"


@pytest.fixture
def endpoint() -> Iterator[FaultyEndpoint]:
    with serving(FaultyEndpoint()) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Request], ImageBank]:
    prompts, pictures = tiny.world("pool", 40)
    store = FolderStore(str(tmp_path_factory.mktemp("faults-store")))
    return [Request.of(p) for p in prompts], tiny.bank(store, pictures)


@pytest.fixture
def opened(endpoint, clock, asked):
    def opened(**config) -> EndpointEngine:
        return EndpointEngine(EndpointConfig(url=endpoint.url, **config), asked[1], "seed", pace=clock.pace())

    return opened


def errors(rows: list[tuple[Answer, ...]]) -> list[str | None]:
    """Of each row, its first answer's error."""
    return [row[0].error for row in rows]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_passing_faults_come_the_answers_are_the_faultless_servers(endpoint, opened, asked, seed):
    requests, draw = asked[0], random.Random(seed)
    faultless = opened().answer(requests, PARAMS)
    assert errors(faultless) == [None] * len(requests)
    for request in requests:
        endpoint.plan(
            *draw.choices([*TRANSIENT, "slow", "shuffle"], k=draw.randint(0, 4)), question=request.messages[-1].content
        )
    # Questions can be the same for several pictures, so that one request may meet the faults of several.
    engine = opened(concurrency=draw.choice([1, 3, 16]), retries=60, break_after=1000)
    assert engine.answer(requests, PARAMS) == faultless


def test_a_request_that_times_out_is_asked_again_and_then_an_error_of_its_row(endpoint, opened, asked):
    requests = asked[0][:3]
    faultless = opened().answer(requests, PARAMS)
    endpoint.plan("stall")
    engine = opened(timeout_seconds=1.5, retries=1, concurrency=1)
    assert engine.answer(requests, PARAMS) == faultless
    endpoint.plan("stall", "drip")
    rows = engine.answer(requests, PARAMS)
    assert errors(rows) == ["timeout: no answer within 1.5 s", None, None]
    assert rows[1:] == faultless[1:]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("500", "server: HTTP 500: status 500"),
        ("reset", "server: "),
        ("truncate", "server: "),
        ("html", "reply: HTML in place of a reply"),
        ("cut", "reply: JSON that is cut or broken"),
        ("empty", "reply: asked for 2 choices, got 0"),
        ("fewer", "reply: asked for 2 choices, got 1"),
        ("more", "reply: asked for 2 choices, got 3"),
        ("twice", "reply: asked for 2 choices, got 2"),
        ("list", "reply: no list of choices"),
        ("error200", "reply: an error with status 200: upstream is busy"),
    ],
)
def test_a_fault_that_stays_is_an_error_of_its_row_alone(endpoint, opened, asked, fault, error):
    requests = asked[0][:4]
    faultless = opened().answer(requests, PARAMS)
    engine = opened(retries=2, concurrency=1)
    endpoint.plan(*[fault] * 3)
    rows = engine.answer(requests, PARAMS)
    assert rows[1:] == faultless[1:]
    assert [a.finish_reason for a in rows[0]] == ["error", "error"]
    assert all((a.error or "").startswith(error) and a.text == "" for a in rows[0]), rows[0]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", "refused: HTTP 400: status 400"),
        ("422", "refused: HTTP 422: status 422"),
        ("too_long", "too_long: HTTP 400: This model's maximum context length is 256 tokens"),
        ("wrong_model", f"reply: wrong model: asked for '{MODEL}', answered by 'somebody-else'"),
        ("nameless", "reply: wrong model"),
    ],
)
def test_a_refusal_is_not_asked_again(endpoint, opened, asked, clock, fault, error):
    requests = asked[0][:3]
    engine = opened(concurrency=1)
    endpoint.plan(fault)
    first, *others = errors(engine.answer(requests, PARAMS))
    assert (first or "").startswith(error)
    assert others == [None, None]
    assert len([b for b in endpoint.seen if "n" in b]) == 3
    assert clock.waits == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("null", "reply: finish_reason 'stop' without a text"),
        ("picture_part", "reply: finish_reason 'stop' without a text"),
        ("content_filter", "reply: finish_reason 'content_filter'"),
        ("tool_calls", "reply: finish_reason 'tool_calls'"),
        ("abort", "reply: finish_reason 'abort'"),
    ],
)
def test_a_choice_without_an_answer_is_an_error_and_the_others_of_its_row_stay(endpoint, opened, asked, fault, error):
    requests, long = asked[0][:2], SamplingParams(k=2, max_new_tokens=32)
    engine = opened(concurrency=1)
    faultless = engine.answer(requests, long)
    endpoint.plan(fault)
    rows = engine.answer(requests, long)
    assert (rows[0][0].error or "").startswith(error)
    assert (rows[0][1], rows[1]) == (faultless[0][1], faultless[1])


@pytest.mark.parametrize(
    ("fault", "n", "error"),
    [
        ("surrogate", 2, "reply: a text with half of a surrogate pair, which is no Unicode: a red ? circle"),
        ("negative", 1, "reply: numbers that no answer has: usage.completion_tokens -1"),
        ("endless", 1, "reply: numbers that no answer has: usage.completion_tokens 1000"),
        ("digits", 2, "reply: numbers that no answer has: "),
        ("overflow", 1, "reply: numbers that no answer has: "),
        ("nested", 2, "reply: JSON that is nested too deeply: [[["),
        ("deep_choices", 2, "reply: no list of choices: "),
        ("deep_index", 2, "reply: asked for 2 choices, got 2 with index "),
        ("deep_model", 2, "reply: wrong model: "),
        ("deep_reason", 2, "reply: finish_reason "),
        ("nested400", 2, "refused: HTTP 400: [[["),
        ("deep400", 2, "refused: HTTP 400: "),
        ("surrogate400", 2, "refused: HTTP 400: no ?"),
        ("surrogate200", 2, "reply: an error with status 200: busy ?"),
        ("surrogate_model", 2, f"reply: wrong model: asked for '{MODEL}', answered by '?'"),
    ],
)
def test_a_hostile_reply_is_an_error_that_every_file_can_hold(endpoint, opened, asked, fault, n, error):
    requests, params = asked[0][:3], PARAMS.model_copy(update={"k": n})
    engine = opened(concurrency=1, retries=1, dialect="openai" if fault == "overflow" else "vllm")
    faultless = engine.answer(requests, params)
    endpoint.plan(fault, fault)
    first, *others = engine.answer(requests, params)
    assert (first[0].error or "").startswith(error)
    assert len(first[0].error) < 500
    for row in (first, *others):
        for answer in row:
            made = completion(0, answer, params, "teacher")
            assert Completion.model_validate_json(made.model_dump_json()) == made
    assert others[-1] == faultless[-1]


def test_a_list_of_models_with_names_and_lengths_that_are_none_is_read_as_far_as_it_goes(endpoint, opened):
    endpoint.models = ("\ud83d", MODEL)
    endpoint.max_model_len = -5
    assert opened().model == MODEL
    assert opened()._positions is None


def test_choices_in_another_order_and_text_in_parts_are_put_right(endpoint, opened, asked):
    requests = asked[0][:2]
    engine = opened(concurrency=1)
    faultless = engine.answer(requests, PARAMS)
    endpoint.plan("shuffle", "parts")
    assert engine.answer(requests, PARAMS) == faultless


def test_a_likelihood_that_is_no_number_is_none(endpoint, opened, asked):
    engine = opened()
    endpoint.plan("nan")
    first, second = engine.answer(asked[0][:1], PARAMS)[0]
    assert first.logprob_sum is None
    assert first.error is None
    assert first.n_tokens > 0
    assert second.logprob_sum is not None


def test_many_failures_in_a_row_break_the_circuit(endpoint, opened, asked):
    engine = opened(retries=1, break_after=5, concurrency=2)
    endpoint.words["500"] = "CUDA error"
    endpoint.plan("500", always=True)
    with pytest.raises(
        SamplingError, match=r"5 requests in a row failed.*HTTP 500: CUDA error.*finished files are kept"
    ):
        engine.answer(asked[0], PARAMS)
    assert len(endpoint.seen) <= 1 + 2 * 6


def test_refused_rows_do_not_break_the_circuit_and_an_answer_mends_it(endpoint, opened, asked):
    endpoint.plan("", *["400"] * 10, *["500", "500", ""] * 5)
    rows = opened(retries=0, break_after=3, concurrency=1).answer(asked[0], PARAMS)
    assert len([e for e in errors(rows) if e]) == 20


@pytest.mark.parametrize(
    ("fault", "words"),
    [("401", "RATCHET_ENDPOINT_KEY"), ("403", "key_env"), ("404", "generate.engine.url"), ("redirect", "redirects to")],
)
def test_what_concerns_every_request_stops_at_once(endpoint, opened, asked, fault, words):
    engine = opened()
    endpoint.plan(fault)
    with pytest.raises(SamplingError, match=words):
        engine.answer(asked[0], PARAMS)


def test_another_model_throughout_is_a_stop(endpoint, opened, asked):
    engine = opened()
    endpoint.plan("wrong_model", always=True)
    with pytest.raises(SamplingError, match=r"all 5 prompts .*wrong model.*somebody-else.*generate\.engine\.model"):
        engine.answer(asked[0][:5], PARAMS)
    with pytest.raises(SamplingError, match="20 requests in a row"):
        engine.answer(asked[0], PARAMS)


def test_retry_after_is_waited_for_by_all_requests(endpoint, opened, asked, clock):
    engine = opened(concurrency=1)
    endpoint.headers = {"Retry-After": "17"}
    endpoint.plan("429")
    assert errors(engine.answer(asked[0][:3], PARAMS)) == [None] * 3
    assert 17 <= clock.waits[0] <= 17.5
    assert len(clock.waits) == 1


def test_an_allowance_that_is_used_up_pauses_before_the_next_request(endpoint, opened, asked, clock):
    engine = opened(concurrency=1)
    endpoint.headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2s"}
    endpoint.plan("limits")
    assert errors(engine.answer(asked[0][:3], PARAMS)) == [None] * 3
    assert clock.waits == [62.0]


def test_waits_grow_and_differ_between_requests(endpoint, opened, asked, clock):
    endpoint.plan("", *["503"] * 12)
    opened(concurrency=1, retries=5).answer(asked[0][:2], PARAMS)
    assert len(clock.waits) == 10
    assert all(wait <= 0.5 * 2 ** (n % 5) for n, wait in enumerate(clock.waits))
    assert len(set(clock.waits)) == 10
