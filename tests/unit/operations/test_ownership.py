"""Which runs of a loop its owner lets begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.begin import BeginOptions, begin
from ratchet.errors import RoundError
from ratchet.operations.ownership import check_owner
from ratchet.operations.policy import LoopPolicy, Owner, write_policy
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, RECIPE, new_loop


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def owned(store: Store, owner: Owner) -> None:
    write_policy(store, LOOP, LoopPolicy(owner=owner, recipe="rft"))


@pytest.mark.parametrize("owner", ["nobody", "schedule", "trigger"])
def test_a_person_may_always_start_a_round(store: Store, owner: Owner) -> None:
    owned(store, owner)
    check_owner(store, LOOP, "person")


@pytest.mark.parametrize("origin", ["person", "schedule", "trigger"])
def test_a_loop_without_policy_or_owner_takes_everybody(store: Store, origin: str) -> None:
    check_owner(store, LOOP, origin)
    owned(store, "nobody")
    check_owner(store, LOOP, origin)


def test_the_trigger_starts_nothing_in_a_loop_of_the_schedule(store: Store) -> None:
    owned(store, "schedule")
    with pytest.raises(RoundError, match=r"belongs to its schedule.*started by the trigger.*schedule delete"):
        check_owner(store, LOOP, "trigger")
    check_owner(store, LOOP, "schedule")


def test_a_schedule_starts_nothing_in_a_loop_of_the_trigger(store: Store) -> None:
    owned(store, "trigger")
    with pytest.raises(RoundError, match=r"belongs to its trigger.*started by a schedule.*--take-over"):
        check_owner(store, LOOP, "schedule")
    check_owner(store, LOOP, "trigger")


def test_begin_asks_before_it_takes_the_loop(tmp_path: Path) -> None:
    settings = new_loop(tmp_path)
    owned(open_store(settings.root), "trigger")
    with pytest.raises(RoundError, match="belongs to its trigger"):
        begin("run-1", BeginOptions(loop=LOOP, recipe=RECIPE, origin="schedule"), settings)
    assert begin("run-2", BeginOptions(loop=LOOP, recipe=RECIPE, origin="trigger"), settings).number == 1


def test_an_origin_that_nobody_has_is_refused(store: Store) -> None:
    with pytest.raises(RoundError, match="leave the pipeline's parameter"):
        check_owner(store, LOOP, "cron")
