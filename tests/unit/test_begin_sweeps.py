"""begin removes the checkpoints of rounds that nobody goes on with, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.finish import finish
from ratchet.registry import lease as leases
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, OTHER_RECIPE, new_loop, opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


@pytest.mark.parametrize("state", ["unfinished", "failed"])
def test_the_checkpoints_of_a_round_that_is_given_up_are_removed(state: str, settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    prefix = rounds.read_round(store, LOOP, 1).prefix
    kept, gone = f"{prefix}/train-abc/part.parquet", f"{prefix}/train-abc/checkpoints/files/a.safetensors"
    for key in (kept, gone, f"{prefix}/train-def/checkpoints/step-00000004.json"):
        store.put(key, b"of a try before")
    if state == "failed":
        finish("job-1", LOOP, settings)
        assert store.exists(gone)
    else:
        leases.Lease(store.sub(rounds.loop_prefix(LOOP)), ticket.job, ticket.epoch, 60).release()
    assert opened(settings, "job-2", OTHER_RECIPE).number == 2
    assert [store.key(stat.uri) for stat in store.list(f"{prefix}/train-")] == [kept]


def test_a_round_that_is_taken_up_again_keeps_its_checkpoints(settings: Settings, store: Store) -> None:
    opened(settings)
    key = f"{rounds.read_round(store, LOOP, 1).prefix}/train-abc/checkpoints/step-00000004.json"
    store.put(key, b"of a try before")
    finish("job-1", LOOP, settings)
    assert opened(settings, "job-2", resume=True).number == 1
    assert store.exists(key)
