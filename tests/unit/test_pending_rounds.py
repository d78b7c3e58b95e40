"""A loop with a round that waits for a person: finish says so, begin refuses, `run --rounds N` ends there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.errors import RoundError
from ratchet.finish import finish
from ratchet.local_run import LocalRun, run_rounds
from ratchet.registry import lease as leases
from ratchet.registry import open_registry
from ratchet.registry.approval import Answer, answer
from ratchet.registry.base import Lineage
from ratchet.settings import Settings
from ratchet.status import loop_status
from ratchet.store import open_store
from tests.unit.loops import LOOP, RECIPE, leave_all, model, new_loop, opened
from tests.unit.test_local_run import pretend


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


def candidate(settings: Settings) -> None:
    ref = model(LOOP, "candidate")
    open_registry(settings, open_store(settings.root)).register(LOOP, ref.uri, ref.digest, Lineage())


def test_the_schedule_neither_promotes_what_waits_nor_opens_a_round_until_it_is_answered(settings: Settings) -> None:
    store = open_store(settings.root)
    ticket = opened(settings)
    candidate(settings)
    leave_all(store, ticket, "PENDING")
    assert finish(ticket.job, LOOP, settings).state == "PENDING"
    for night in (1, 2):
        with pytest.raises(RoundError, match="round 1 of loop mine waits for a person"):
            opened(settings, f"night-{night}")
    state = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert state is not None
    assert state.released
    assert [one["state"] for one in loop_status(settings, LOOP)["rounds"]] == ["PENDING"]
    answer(open_registry(settings, store), store, LOOP, None, Answer(verdict="reject", by="ada"))
    assert opened(settings, "morning").number == 2
    assert [one["state"] for one in loop_status(settings, LOOP)["rounds"]] == ["REFUSED", "RUNNING"]


def test_finish_of_a_round_that_was_answered_meanwhile_takes_nothing_back(settings: Settings) -> None:
    store = open_store(settings.root)
    ticket = opened(settings)
    candidate(settings)
    leave_all(store, ticket, "PENDING")
    finish(ticket.job, LOOP, settings)
    _, end = answer(open_registry(settings, store), store, LOOP, None, Answer(verdict="approve", by="ada"))
    assert end.state == "PROMOTED"
    assert finish(ticket.job, LOOP, settings) == end


def test_a_run_of_many_rounds_ends_at_one_that_waits(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    pretend(monkeypatch, settings, "REFUSED", "PENDING", "REFUSED")
    run = LocalRun(LOOP, RECIPE, tmp_path / "runs", settings.environment())
    assert [end.state for end in run_rounds(run, 3)] == ["REFUSED", "PENDING"]
    assert rounds.numbers(open_store(settings.root), LOOP) == [1, 2]
