"""Which runs of a loop its owner lets begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.errors import RoundError
from ratchet.operations.ownership import check_owner
from ratchet.operations.policy import LoopPolicy, Owner, write_policy
from ratchet.operations.starting import RoundRequest
from ratchet.operations.starts import claim, settle
from ratchet.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def owned(store: Store, owner: Owner) -> None:
    write_policy(store, "mine", LoopPolicy(owner=owner, recipe="rft"))


def asked_by(store: Store, origin: str) -> None:
    request = RoundRequest.model_validate({"loop": "mine", "recipe": "rft", "key": "k", "why": "w", "origin": origin})
    settle(store, claim(store, request), "run-1")


def never(run: str) -> bool | None:
    raise AssertionError("nobody needs to know")


@pytest.mark.parametrize("owner", ["nobody", "schedule", "trigger"])
def test_a_person_may_always_start_a_round(store: Store, owner: Owner) -> None:
    owned(store, owner)
    asked_by(store, "person")
    check_owner(store, "mine", "run-1", never)


def test_a_loop_without_policy_asks_nobody(store: Store) -> None:
    check_owner(store, "mine", "run-1", never)


def test_the_trigger_starts_nothing_in_a_loop_of_the_schedule(store: Store) -> None:
    owned(store, "schedule")
    asked_by(store, "trigger")
    with pytest.raises(RoundError, match=r"belongs to its schedule.*started by the trigger.*schedule delete"):
        check_owner(store, "mine", "run-1", never)


def test_a_schedule_starts_nothing_in_a_loop_of_the_trigger(store: Store) -> None:
    owned(store, "trigger")
    with pytest.raises(RoundError, match=r"belongs to its trigger.*started by a schedule.*--take-over"):
        check_owner(store, "mine", "run-1", lambda run: True)


@pytest.mark.parametrize("said", [False, None])
def test_a_run_of_somebody_in_the_ui_or_of_nobody_knows_whom_begins(store: Store, said: bool | None) -> None:
    owned(store, "trigger")
    check_owner(store, "mine", "run-1", lambda run: said)


def test_the_owners_own_runs_begin(store: Store) -> None:
    owned(store, "schedule")
    check_owner(store, "mine", "run-1", never)
    owned(store, "trigger")
    asked_by(store, "trigger")
    check_owner(store, "mine", "run-1", never)
