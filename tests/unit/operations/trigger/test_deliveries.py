"""What a delivery says, read from MLflow's own examples, and the memory of those that were taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow.entities.webhook import WebhookEvent
from mlflow.webhooks.types import get_example_payload_for_event

from ratchet.errors import StoreUnavailable
from ratchet.operations.trigger.deliveries import PLACE, Seen, loop_of
from ratchet.operations.trigger.register import EVENTS
from ratchet.operations.trigger.signature import Refused
from ratchet.store import FolderStore, Stat


def delivery(event: str, **data: object) -> bytes:
    """As mlflow.webhooks.delivery makes its body."""
    known = WebhookEvent.from_str(event)
    payload = {**get_example_payload_for_event(known), **data}
    return json.dumps({"entity": known.entity.value, "action": known.action.value, "data": payload}).encode()


@pytest.mark.parametrize("event", EVENTS)
def test_the_events_of_the_alias_champion_name_their_loop(event: str) -> None:
    assert loop_of(delivery(event, name="mine", alias="champion")) == "mine"


@pytest.mark.parametrize(
    "body",
    [
        delivery(EVENTS[0], name="mine", alias="candidate"),
        delivery(EVENTS[0], name="Not A Loop", alias="champion"),
        delivery(EVENTS[0], name="ratchet-preflight-0123456789ab", alias="champion"),
        delivery(EVENTS[0], name="../../etc", alias="champion"),
        delivery(EVENTS[0], name=7, alias="champion"),
        delivery("model_version_tag.set", name="mine"),
        delivery("model_version.created", name="mine"),
        delivery("prompt_alias.created", name="mine", alias="champion"),
    ],
)
def test_what_speaks_of_no_champion_of_a_loop_is_none_of_ours(body: bytes) -> None:
    assert loop_of(body) is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'{"entity": "x"}', b'{"data": []}', b"\xff\xfe", b"[" * 5000]
)
def test_what_is_no_delivery_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        loop_of(body)
    assert refused.value.outcome == "malformed"


def seen_in(folder: Path) -> Seen:
    return Seen(FolderStore(f"file://{folder}/store"), window=300)


def test_ids_that_were_kept_are_known_after_a_restart(tmp_path: Path) -> None:
    seen = seen_in(tmp_path)
    seen.add("d1", 1000.0)
    seen.keep(1000.0)
    again = seen_in(tmp_path)
    assert again.load(now=1100.0) >= 1
    assert again.knows("d1")
    assert not again.knows("d3")


def test_what_is_too_old_to_be_believed_need_not_be_known(tmp_path: Path) -> None:
    seen = seen_in(tmp_path)
    seen.add("d1", 1000.0)
    seen.keep(1000.0)
    seen.add("d2", 2000.0)
    seen.keep(2000.0)
    assert not seen.knows("d1")
    assert seen.knows("d2")
    store = FolderStore(f"file://{tmp_path}/store")
    assert [store.get(store.key(s.uri)) for s in store.list(f"{PLACE}/")] == [b'["d2"]']
    assert seen_in(tmp_path).load(now=9000.0) == 0


def test_a_store_that_is_away_costs_no_id(tmp_path: Path) -> None:
    class Away(FolderStore):
        def put(self, key: str, data: bytes) -> Stat:
            raise StoreUnavailable("away")

    seen = Seen(Away(f"file://{tmp_path}/store"))
    seen.add("d1", 1000.0)
    with pytest.raises(StoreUnavailable):
        seen.keep(1000.0)
    seen._store = FolderStore(f"file://{tmp_path}/store")
    seen.keep(1000.0)
    again = seen_in(tmp_path)
    again.load(now=1000.0)
    assert again.knows("d1")
