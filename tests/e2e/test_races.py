"""Several runs of one loop: of those that race one wins, and what has lost its lease changes nothing."""

from __future__ import annotations

import multiprocessing
import threading
from typing import Any

import pytest

from ratchet import loop, rounds
from ratchet.begin import begin
from ratchet.errors import LeaseHeld, LeaseLost
from ratchet.finish import finish
from ratchet.registry import lease as leases
from ratchet.registry import open_registry
from ratchet.registry.promotion import history
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.e2e.rounds import objects
from tests.e2e.steps import LOOP, options, own_cache, settings, step, steps

__all__ = ["own_cache", "settings"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


spawn = multiprocessing.get_context("spawn")


def begin_in_process(settings: Settings, job: str, start: Any, said: Any) -> None:
    start.wait()
    try:
        said.put((job, begin(job, options(), settings).number, ""))
    except LeaseHeld as error:
        said.put((job, None, str(error)))


def test_of_begins_that_race_one_gets_the_round_and_the_others_its_name(settings: Settings) -> None:
    start, said = spawn.Barrier(3), spawn.Queue()
    runs = [spawn.Process(target=begin_in_process, args=(settings, f"run-{n}", start, said)) for n in range(3)]
    for one in runs:
        one.start()
    answers = [said.get(timeout=240) for _ in runs]
    for one in runs:
        one.join(60)
    (winner,) = [job for job, number, _ in answers if number == 1]
    for job, number, message in answers:
        if job != winner:
            assert number is None
            assert f"held by '{winner}' (epoch 1)" in message
    assert rounds.numbers(open_store(settings.root), LOOP) == [1]


def test_a_dead_holder_is_followed_after_its_time_and_its_return_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(settings.root)
    old = begin("old", options(), settings)
    steps(settings, old, "evaluate")
    with pytest.raises(LeaseHeld, match="held by 'old'"):
        begin("new", options(), settings)
    # Only now is it short: a slow machine may take longer to ask for the loop than it would last.
    leases.Lease(store.sub(rounds.loop_prefix(LOOP)), "old", old.epoch, 2).renew()
    monkeypatch.setenv("RATCHET_LEASE_WAIT", "120")
    new = begin("new", options(), settings)
    assert (new.number, new.epoch) == (1, old.epoch + 1)
    before = objects(store)
    # The holder was only asleep: nothing that it does now may be seen by others.
    with pytest.raises(LeaseLost, match="'new' with epoch 2"):
        step(settings, old, "evaluate")
    assert finish("old", LOOP, settings).reason.startswith("LeaseLost")
    assert _changed(before, store) == set()
    for name in ("evaluate", "promote"):
        step(settings, new, name)
    assert finish("new", LOOP, settings).state == "PROMOTED"


def _changed(before: dict[str, str], store: Store) -> set[str]:
    """Keys that came or changed, but for the lease, its clock, and what a try has taken of the machine: that was taken."""
    now = objects(store)
    changed = {k for k in now if now[k] != before.get(k)}
    return {k for k in changed if not k.rsplit("/", 1)[-1].startswith("lease.") and "/used/" not in k}


def test_a_promotion_with_a_stale_epoch_is_refused(settings: Settings) -> None:
    store = open_store(settings.root)
    old = begin("old", options(), settings)
    steps(settings, old, "promote")
    loop.cancel(settings, LOOP, "another run takes over")
    new = begin("new", options(resume=True), settings)
    assert (new.number, new.epoch) == (1, 3)
    before = objects(store)
    with pytest.raises(LeaseLost, match=r"'new' with epoch 3; this run, 'old' with epoch 1, no longer owns the loop"):
        step(settings, old, "promote")
    assert _changed(before, store) == set()
    registry = open_registry(settings, store)
    assert [v.version for v in registry.versions(LOOP)] == ["1"]


def promote_in_process(settings: Settings, ticket: Ticket, start: Any, said: Any) -> None:
    start.wait()
    said.put(step(settings, ticket, "promote").results["promotion"])


def test_of_promotions_of_one_round_that_race_one_moves_the_alias(settings: Settings) -> None:
    """KFP may start a task again while its first pod still runs: both hold the run's lease."""
    store = open_store(settings.root)
    ticket = begin("run", options(), settings)
    steps(settings, ticket, "promote")
    start, said = spawn.Barrier(2), spawn.Queue()
    runs = [spawn.Process(target=promote_in_process, args=(settings, ticket, start, said)) for _ in range(2)]
    for one in runs:
        one.start()
    for one in runs:
        one.join(240)
    assert [one.exitcode for one in runs] == [0, 0]
    assert said.get(timeout=10) == said.get(timeout=10)
    assert finish("run", LOOP, settings).state == "PROMOTED"
    registry = open_registry(settings, store)
    champion = registry.champion(LOOP)
    assert champion is not None
    assert [v.version for v in registry.versions(LOOP)] == ["1", champion.version]
    assert len([m for m in history(store, LOOP) if m.moved and m.intent.kind == "promotion"]) == 1


def test_cancel_fences_a_running_round_off(settings: Settings) -> None:
    store = open_store(settings.root)
    ticket = begin("run", options(), settings)
    steps(settings, ticket, "train")
    said: list[BaseException] = []

    def train() -> None:
        try:
            step(settings, ticket, "train")
        except LeaseLost as error:
            said.append(error)

    running = threading.Thread(target=train)
    running.start()
    end = loop.cancel(settings, LOOP, "wrong recipe")
    running.join(240)
    assert [type(error) for error in said] == [LeaseLost]
    assert "train" not in rounds.manifests(store, LOOP, 1)
    assert finish("run", LOOP, settings) == end
    assert (end.state, end.reason) == ("FAILED", "cancelled: wrong recipe")
    # The loop is free at once, and goes on with a round of its own.
    assert begin("next", options(), settings).number == 2
