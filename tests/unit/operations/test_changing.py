"""A change of a loop's policy sets what is asked for and keeps what others have asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.errors import RoundError
from ratchet.operations.changing import PolicyChange, change, give_to_schedule, set_free
from ratchet.operations.policy import LoopPolicy, StopRules, change_policy, read_policy, write_policy
from ratchet.store import Store, open_store

LOOP = "mine"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = open_store(str(tmp_path))
    write_policy(found, LOOP, LoopPolicy(recipe="rft"))
    return found


def test_only_what_is_given_changes(store: Store) -> None:
    change(store, LOOP, PolicyChange({"owner": "trigger"}, {"rounds": 3, "on_alarm": False}))
    found = change(store, LOOP, PolicyChange({"after_refused": "wait"}, {"gpu_hours": 2.0, "rounds": None}))
    stop = StopRules(gpu_hours=2.0, on_alarm=False)
    assert found == LoopPolicy(owner="trigger", recipe="rft", after_refused="wait", stop=stop)
    assert read_policy(store, LOOP) == found


def test_two_who_change_it_at_once_both_get_what_they_asked_for(store: Store) -> None:
    turns = []

    def mine(now: LoopPolicy | None) -> LoopPolicy:
        assert now is not None
        if not turns:
            change(store, LOOP, PolicyChange({"owner": "trigger"}, {"rounds": 3}))
        turns.append(now.owner)
        return now.model_copy(update={"budget": 2.0})

    change_policy(store, LOOP, mine)
    found = read_policy(store, LOOP)
    assert turns == ["nobody", "trigger"]
    assert found == LoopPolicy(owner="trigger", recipe="rft", budget=2.0, stop=StopRules(rounds=3))


def test_a_schedule_that_was_decided_on_another_policy_is_refused(store: Store) -> None:
    known = read_policy(store, LOOP)
    assert known is not None
    change(store, LOOP, PolicyChange({}, {"rounds": 3}))
    assert give_to_schedule(store, LOOP, known, known).stop.rounds == 3
    with pytest.raises(RoundError, match="changed by another at this moment"):
        give_to_schedule(store, LOOP, known, known)
    set_free(store, LOOP)
    change(store, LOOP, PolicyChange({"owner": "trigger"}))
    set_free(store, LOOP)
    found = read_policy(store, LOOP)
    assert found is not None
    assert (found.owner, found.stop.rounds) == ("trigger", 3)


def test_an_owner_keeps_its_loop_unless_it_is_taken_over(store: Store) -> None:
    change(store, LOOP, PolicyChange({"owner": "schedule"}))
    with pytest.raises(
        RoundError, match=r"belongs to its schedule.*schedule delete.*loop policy --loop mine --owner trigger"
    ):
        change(store, LOOP, PolicyChange({"owner": "trigger"}))
    assert change(store, LOOP, PolicyChange({"owner": "trigger"}, take_over=True)).owner == "trigger"
    with pytest.raises(RoundError, match=r"belongs to its trigger.*--take-over"):
        change(store, LOOP, PolicyChange({"owner": "schedule"}))
    assert change(store, LOOP, PolicyChange({"owner": "nobody"})).owner == "nobody"


def test_what_is_not_valid_is_told_and_changes_nothing(store: Store) -> None:
    with pytest.raises(RoundError, match="gpu_hours 0"):
        change(store, LOOP, PolicyChange({}, {"gpu_hours": 0.0}))
    with pytest.raises(RoundError, match="loop other has no policy yet"):
        change(store, "other", PolicyChange({"owner": "trigger"}))
    assert read_policy(store, "other") is None
