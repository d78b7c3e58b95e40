"""The HTTP side: what becomes of a delivery, health, readiness, metrics, a graceful end; all in this process, over ASGI."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from ratchet.errors import StoreError
from ratchet.operations.trigger import service as service_module
from ratchet.operations.trigger.app import MOST_BYTES, create_app
from ratchet.operations.trigger.decide import Idle
from ratchet.operations.trigger.register import EVENTS
from ratchet.operations.trigger.service import Options, Service
from ratchet.operations.trigger.signature import DELIVERY, SIGNATURE, TIMESTAMP, sign
from tests.triggered import LOOP, SECRET, Ground
from tests.unit.operations.trigger.test_deliveries import delivery

BODY = delivery(EVENTS[0], name=LOOP, alias="champion", version="2")
PATH = "/webhooks/mlflow"


def service_of(ground: Ground, **options: object) -> Service:
    chosen = Options(**{"loops": (LOOP,), "secrets": (SECRET,), "poll": 3600.0, **options})  # type: ignore[arg-type]
    return Service(ground.registry, ground.store, ground.driver, ground.metrics, chosen)


def signed(body: bytes = BODY, name: str | None = None, at: float | None = None) -> dict[str, str]:
    name, stamp = name or uuid.uuid4().hex, str(int(at or time.time()))
    return {
        DELIVERY: name,
        TIMESTAMP: stamp,
        SIGNATURE: sign(SECRET, name, stamp, body),
        "content-type": "application/json",
    }


def within(seconds: float, true: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def service(ground: Ground) -> Service:
    return service_of(ground)


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service)) as client:
        assert within(120, lambda: service.why_not_ready() is None)
        yield client


def started(ground: Ground, rounds: int = 1) -> bool:
    """Whether so many runs are there: an ask that is written down may not be one yet, and a test would not end its run."""
    return len(ground.starter.requests()) == rounds


def count(ground: Ground, outcome: str) -> float:
    return ground.metrics.collected.get_sample_value("ratchet_trigger_deliveries_total", {"outcome": outcome}) or 0.0


def test_a_delivery_is_taken_and_its_move_starts_a_round(ground: Ground, client: TestClient) -> None:
    assert within(120, lambda: started(ground)), "the first look is the poller's"
    ground.end_round(1, "PROMOTED")
    ground.person("2")
    answer = client.post(PATH, content=BODY, headers=signed())
    assert (answer.status_code, answer.json()) == (202, {"outcome": "accepted", "loop": LOOP})
    assert within(120, lambda: ground.causes() == ["move", "move"])


def test_deliveries_out_of_order_start_what_the_registry_says_and_nothing_else(
    ground: Ground, client: TestClient
) -> None:
    """Created 2 and created 3 arrive the wrong way round, the deletion of an alias that is there last of all."""
    assert within(120, lambda: started(ground))
    ground.end_round(1, "PROMOTED")
    ground.person("2")
    ground.person("3")
    late = [delivery(EVENTS[0], name=LOOP, alias="champion", version=v) for v in ("3", "2")]
    late.append(delivery(EVENTS[1], name=LOOP, alias="champion"))
    assert [client.post(PATH, content=b, headers=signed(b)).status_code for b in late] == [202, 202, 202]
    assert within(120, lambda: started(ground, 2))
    time.sleep(0.3)
    assert [(ask.cause, ask.move) for ask in ground.asks()] == [("move", 1), ("move", 2)]
    assert "version 1 to version 3" in ground.asks()[-1].why


def test_the_same_delivery_again_is_known_and_does_nothing(ground: Ground, client: TestClient) -> None:
    headers = signed()
    assert client.post(PATH, content=BODY, headers=headers).status_code == 202
    again = client.post(PATH, content=BODY, headers=headers)
    assert (again.status_code, again.json()) == (200, {"outcome": "known", "loop": None})
    assert (count(ground, "accepted"), count(ground, "known")) == (1, 1)


@pytest.mark.parametrize(
    ("outcome", "status", "body", "change"),
    [
        ("unsigned", 401, BODY, {SIGNATURE: ""}),
        ("forged", 401, BODY, {SIGNATURE: "v1,bm8="}),
        ("forged", 401, BODY, {DELIVERY: "another"}),
        ("old", 401, BODY, signed(at=time.time() - 3600)),
        ("malformed", 400, b"no json", {}),
        ("too-large", 413, b"x" * (MOST_BYTES + 1), {}),
        ("ignored", 200, delivery(EVENTS[0], name="other", alias="champion"), {}),
        ("ignored", 200, delivery(EVENTS[0], name=LOOP, alias="example_alias"), {}),
    ],
)
def test_what_becomes_of_a_delivery_is_answered_and_counted(
    ground: Ground, client: TestClient, outcome: str, status: int, body: bytes, change: dict[str, str]
) -> None:
    answer = client.post(PATH, content=body, headers={**signed(body), **change})
    assert (answer.status_code, answer.json()["outcome"]) == (status, outcome)
    assert count(ground, outcome) == 1
    assert SECRET not in answer.text


def test_a_long_body_without_a_length_is_cut_off(client: TestClient) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * 1024

    assert client.post(PATH, content=parts(), headers=signed()).status_code == 413


def test_before_registry_and_store_have_answered_nothing_is_taken(ground: Ground) -> None:
    service = service_of(ground)
    client = TestClient(create_app(service))  # not entered: nothing polls
    answer = client.post(PATH, content=BODY, headers=signed())
    assert (answer.status_code, answer.json()["outcome"]) == (503, "not-ready")
    assert answer.headers["retry-after"]
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.post(PATH, content=BODY, headers={}).status_code == 401, "who is not believed learns nothing"


def test_a_delivery_that_found_no_room_is_welcome_again(ground: Ground) -> None:
    with TestClient(create_app(service := service_of(ground))) as client:
        assert within(120, lambda: service.why_not_ready() is None and service.hints.depth() == 0)
        put, service.hint = service.hint, lambda loop: False  # type: ignore[method-assign]
        headers = signed()
        full = client.post(PATH, content=BODY, headers=headers)
        assert (full.status_code, full.json()["outcome"]) == (503, "full")
        service.hint = put  # type: ignore[method-assign]
        assert client.post(PATH, content=BODY, headers=headers).status_code == 202


def test_readiness_says_what_is_away_and_comes_back(ground: Ground) -> None:
    service = service_of(ground, poll=0.05)
    champion, down = ground.registry.champion, True

    def away(name: str) -> object:
        if down:
            raise OSError("registry is away")
        return champion(name)

    ground.registry.champion = away  # type: ignore[assignment, method-assign]
    with TestClient(create_app(service)) as client:
        assert within(120, lambda: "registry is away" in str(client.get("/readyz").json()["why"]))
        down = False
        assert within(120, lambda: client.get("/readyz").status_code == 200)


def test_the_metrics_tell_of_deliveries_moves_rounds_queue_and_poller(ground: Ground, client: TestClient) -> None:
    assert within(120, lambda: bool(ground.asks()))
    client.post(PATH, content=BODY, headers=signed())
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    for line in (
        'ratchet_trigger_deliveries_total{outcome="accepted"} 1.0',
        'ratchet_trigger_moves_total{kind="seed",loop="mine"} 1.0',
        'ratchet_trigger_rounds_started_total{cause="move",loop="mine"} 1.0',
        "ratchet_trigger_queue_depth",
        "ratchet_trigger_last_poll_age_seconds",
        "ratchet_trigger_delivery_seconds_bucket",
        "ratchet_trigger_loops 1.0",
    ):
        assert line in page.text
    assert "nan" not in page.text.lower().split("last_poll_age_seconds", 2)[-1].split("\n")[0]


def test_without_webhooks_there_is_no_place_to_send_them_to(ground: Ground) -> None:
    service = service_of(ground, webhooks=False, secrets=())
    with TestClient(create_app(service)) as client:
        assert client.post(PATH, content=BODY, headers=signed()).status_code == 404
        assert within(120, lambda: ground.causes() == ["move"]), "the poller finds the move"


def test_all_loops_means_also_those_that_come_later(ground: Ground) -> None:
    service = service_of(ground, loops=(), poll=0.05)
    assert service.serves("whatever")
    with TestClient(create_app(service)):
        assert within(120, lambda: ground.causes() == ["move"])


def test_an_end_looks_at_what_waits_and_takes_no_more(ground: Ground) -> None:
    service = service_of(ground)
    with TestClient(create_app(service)) as client:
        assert within(120, lambda: started(ground))
        ground.end_round(1, "PROMOTED")
        ground.person("2")
        assert client.post(PATH, content=BODY, headers=signed()).status_code == 202
    assert ground.causes() == ["move", "move"], "the queue was drained"
    assert service.hints.drained
    assert not service.hint(LOOP)


def test_ids_of_deliveries_survive_an_end(ground: Ground) -> None:
    headers = signed()
    with TestClient(create_app(service := service_of(ground))) as client:
        assert within(120, lambda: service.why_not_ready() is None)
        assert client.post(PATH, content=BODY, headers=headers).status_code == 202
    with TestClient(create_app(again := service_of(ground))) as client:
        assert within(120, lambda: again.why_not_ready() is None)
        assert client.post(PATH, content=BODY, headers=headers).json()["outcome"] == "known"


def test_one_loop_that_fails_does_not_end_the_trigger_of_others(ground: Ground) -> None:
    look = ground.driver.look

    def broken(loop: str) -> object:
        if loop == "broken":
            raise ZeroDivisionError("a mistake of ours")
        return look(loop)

    ground.driver.look = broken  # type: ignore[assignment, method-assign]
    with TestClient(create_app(service_of(ground, loops=("broken", LOOP)))):
        assert within(120, lambda: ground.causes() == ["move"])
    failures = ground.metrics.collected.get_sample_value("ratchet_trigger_failures_total", {"where": "other"})
    assert failures, "it is tried again, so that there may be two by now"


@pytest.mark.parametrize("settled", [False, True], ids=["failed", "behind"])
def test_a_look_that_settled_nothing_is_made_again_before_the_next_tick(
    settled: bool, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "SOON_SECONDS", 0.1)
    look, looks = ground.driver.look, [0]

    def at_last(loop: str) -> object:
        looks[0] += 1
        if looks[0] > 1:
            return look(loop)
        if settled:
            return Idle("behind", "it changes just now")
        raise StoreError("for a moment there is no answer")

    monkeypatch.setattr(ground.driver, "look", at_last)
    with TestClient(create_app(service_of(ground))):
        assert within(120, lambda: ground.causes() == ["move"])


def test_a_look_that_fails_all_the_time_waits_for_the_tick(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "SOON_SECONDS", 0.1)
    looks = [0]

    def broken(loop: str) -> object:
        looks[0] += 1
        raise StoreError("there is no answer")

    monkeypatch.setattr(ground.driver, "look", broken)
    with TestClient(create_app(service_of(ground))):
        assert within(120, lambda: looks[0] == 2)
        time.sleep(2)
    assert looks[0] == 2
