"""A real MLflow server's registry drives the trigger: by its own deliveries, and by the poller."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from ratchet.errors import RegistryError
from ratchet.operations.trigger.register import register
from tests.trigger_processes import PATIENCE, Trigger, webhook_mlflow, within
from tests.triggered import LOOP, SECRET, Ground

pytestmark = pytest.mark.slow
PATH = "/webhooks/mlflow"


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with webhook_mlflow(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri


@pytest.fixture
def ground(tmp_path: Path, tracking: str) -> Iterator[Ground]:
    yield Ground(tmp_path, tracking=tracking)
    client = MlflowClient(tracking_uri=tracking, registry_uri=tracking)
    client.delete_registered_model(LOOP)
    for hook in client.list_webhooks():
        client.delete_webhook(hook.webhook_id)


def rounds_started(ground: Ground) -> int:
    return len(ground.starter.requests())


def by_hand(tracking: str, version: str) -> None:
    """What a click in MLflow's UI does."""
    MlflowClient(tracking_uri=tracking, registry_uri=tracking).set_registered_model_alias(LOOP, "champion", version)


def test_deliveries_of_a_real_server_start_one_round_a_move(ground: Ground, tracking: str, tmp_path: Path) -> None:
    with Trigger(tmp_path, tracking=tracking) as trigger:
        made = register(tracking, trigger.url + PATH, SECRET)
        assert (made.new, made.answered, made.trouble) == (True, 200, None)
        again = register(tracking, trigger.url + PATH, SECRET)
        assert (again.new, again.id, again.trouble) == (False, made.id, None)
        assert within(PATIENCE, lambda: rounds_started(ground) == 1), "the champion that was there"
        movers = [
            lambda: by_hand(tracking, "2"),
            lambda: ground.gate("3", "round-2"),
            ground.rollback,
            lambda: by_hand(tracking, "1"),
        ]
        for number, move in enumerate(movers, start=2):
            ground.end_round(number - 1, "PROMOTED")
            move()
            assert within(PATIENCE, lambda n=number: rounds_started(ground) == n), trigger.log.read_text()
        by_hand(tracking, "1")
        assert within(PATIENCE, lambda: trigger.metric('ratchet_trigger_deliveries_total{outcome="accepted"}') >= 5)
        time.sleep(1.0)
        assert rounds_started(ground) == 5, "the same version again is no move"
        kinds = [request.why.split("(")[1].split(",")[1].strip() for request in ground.starter.requests()]
        assert kinds == ["seed", "outside", "promotion", "rollback", "outside"]
        _kill_and_catch_up(ground, trigger, tracking)
        begun = time.monotonic()
        assert trigger.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 60, "a look an hour is no reason to wait for the next"


def _kill_and_catch_up(ground: Ground, trigger: Trigger, tracking: str) -> None:
    trigger.end(signal.SIGKILL)
    ground.end_round(5, "PROMOTED")
    by_hand(tracking, "3")
    trigger.start()
    assert within(PATIENCE, lambda: rounds_started(ground) == 6), "made while no trigger was there"
    ground.end_round(6, "PROMOTED")
    trigger.end(signal.SIGKILL)
    trigger.start()
    by_hand(tracking, "2")
    assert within(PATIENCE, lambda: rounds_started(ground) == 7)
    assert [ask.move for ask in ground.asks()] == list(range(1, 8))


def test_the_poller_alone_finds_every_move(ground: Ground, tracking: str, tmp_path: Path) -> None:
    with Trigger(tmp_path, tracking=tracking, poll=0.3, webhooks=False):
        assert within(PATIENCE, lambda: rounds_started(ground) == 1)
        for number, version in enumerate(["2", "1", "3"], start=1):
            ground.end_round(number, "PROMOTED")
            by_hand(tracking, version)
            assert within(PATIENCE, lambda n=number: rounds_started(ground) == n + 1)
        time.sleep(1.0)
        assert ground.causes() == ["move"] * 4


def test_a_webhook_with_another_secret_is_refused_and_told_so(ground: Ground, tracking: str, tmp_path: Path) -> None:
    with Trigger(tmp_path, tracking=tracking) as trigger:
        made = register(tracking, trigger.url + PATH, "quite-another-secret-000")
        assert made.answered == 401
        assert made.trouble is not None
        assert "not the trigger's" in made.trouble
        assert within(PATIENCE, lambda: rounds_started(ground) == 1)
        ground.end_round(1, "PROMOTED")
        by_hand(tracking, "2")
        assert within(PATIENCE, lambda: trigger.metric('ratchet_trigger_deliveries_total{outcome="forged"}') >= 2)
        assert rounds_started(ground) == 1
        mended = register(tracking, trigger.url + PATH, SECRET)
        assert (mended.id, mended.answered) == (made.id, 200)


def test_a_server_that_does_not_take_the_webhook_is_named_with_what_to_set(tracking: str) -> None:
    with pytest.raises(RegistryError, match="MLFLOW_WEBHOOK_ALLOWED_SCHEMES"):
        register(tracking, "ftp://127.0.0.1/webhooks/mlflow", SECRET)


def test_a_delivery_of_a_real_server_replayed_later_is_known(ground: Ground, tracking: str, tmp_path: Path) -> None:
    """The very bytes and headers that MLflow sent, caught on their way and sent again."""
    from tests.catching import catching

    with Trigger(tmp_path, tracking=tracking) as trigger, catching() as caught:
        register(tracking, f"{caught.url}{PATH}", SECRET, test=False)
        by_hand(tracking, "2")
        assert within(PATIENCE, lambda: bool(caught.requests))
        headers, body = caught.requests[0]
        answers = [requests.post(trigger.url + PATH, data=body, headers=headers, timeout=60) for _ in range(2)]
        assert [(a.status_code, a.json()["outcome"]) for a in answers] == [(202, "accepted"), (200, "known")]
        forged = requests.post(trigger.url + PATH, data=body.replace(b'"2"', b'"3"'), headers=headers, timeout=60)
        assert forged.status_code == 401
