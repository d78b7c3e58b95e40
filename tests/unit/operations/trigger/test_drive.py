"""One round for each move of the alias, whoever made it, and what follows a round that promoted nothing."""

from __future__ import annotations

import pytest

from ratchet import rounds
from ratchet.errors import PlatformUnavailable
from ratchet.operations import policy as policies
from ratchet.operations.policy import Stopped
from ratchet.operations.starting import RoundRequest, RunState, Started
from ratchet.operations.trigger.asks import Ask
from ratchet.operations.trigger.decide import MOST_FAILURES, Idle
from ratchet.registry import lease
from ratchet.registry.tracking import CANCELLED
from ratchet.rounds import State
from tests.triggered import LOOP, Ground


def started(ground: Ground) -> int:
    return len(ground.starter.requests())


def waits(found: Idle | Ask) -> str:
    assert isinstance(found, Idle), found
    return found.waits


def test_the_first_champion_starts_the_first_round(ground: Ground) -> None:
    assert isinstance(ground.look(), Ask)
    [request] = ground.starter.requests()
    assert (request.loop, request.recipe, request.seed) == (LOOP, "rft", "champion")
    assert "from none to version 1" in request.why


def test_a_look_is_no_move_however_often_it_is_made(ground: Ground) -> None:
    ground.look()
    ground.starter.end()
    ground.end_round(1, "PROMOTED")
    assert [waits(ground.look()) for _ in range(5)] == ["answered"] * 5
    assert started(ground) == 1


@pytest.mark.parametrize("mover", ["gate", "person", "rollback"])
def test_a_move_starts_one_round_whoever_made_it(ground: Ground, mover: str) -> None:
    ground.gate("2", "round-0")
    ground.look()
    ground.end_round(1, "PROMOTED")
    if mover == "gate":
        ground.gate("3", "round-1")
    elif mover == "person":
        ground.person("3")
    else:
        ground.rollback()
    assert isinstance(ground.look(), Ask)
    assert waits(ground.look()) == "running"
    assert ground.causes() == ["move", "move"]


def test_a_to_b_to_a_are_two_rounds_and_the_same_version_again_is_none(ground: Ground) -> None:
    ground.look()
    for number, version in enumerate(["2", "1", "1"], start=1):
        ground.end_round(number, "STALE")
        ground.policy(after="wait")
        ground.person(version)
        ground.look()
    assert ground.causes() == ["move", "move", "move"]
    assert [ask.move for ask in ground.asks()] == [1, 2, 3]


def test_moves_made_while_a_round_runs_are_answered_by_the_one_after_it(ground: Ground) -> None:
    ground.look()
    for version in ("2", "3", "1"):
        ground.person(version)
        assert waits(ground.look()) == "running"
    ground.end_round(1, "STALE")
    assert isinstance(ground.look(), Ask)
    ground.end_round(2, "PROMOTED")
    assert waits(ground.look()) == "answered"
    assert [(ask.cause, ask.move) for ask in ground.asks()] == [("move", 1), ("move", 4)]


def test_a_trigger_that_was_away_catches_up_from_the_log(ground: Ground) -> None:
    ground.look()
    ground.end_round(1, "PROMOTED")
    ground.gate("2", "round-1")
    ground.rollback()
    ground.driver = ground.new_driver()
    assert isinstance(ground.look(), Ask)
    assert ground.asks()[-1].move == 3
    assert started(ground) == 2


@pytest.mark.parametrize(("state", "cause"), [("REFUSED", "refused"), ("STALE", "stale"), ("FAILED", "failed")])
def test_the_next_data_follow_a_round_that_promoted_nothing(ground: Ground, state: State, cause: str) -> None:
    ground.look()
    ground.end_round(1, state)
    assert isinstance(ground.look(), Ask)
    assert waits(ground.look()) == "running"
    ground.driver = ground.new_driver()
    assert waits(ground.look()) == "running"
    assert ground.causes() == ["move", cause]


@pytest.mark.parametrize("state", ["REFUSED", "STALE", "FAILED"])
def test_a_policy_that_stops_says_why_once_and_goes_on_when_it_is_told_to(ground: Ground, state: State) -> None:
    ground.policy(after="stop")
    ground.look()
    ground.end_round(1, state)
    assert waits(ground.look()) == "stopped"
    stopped = policies.read_stopped(ground.store, LOOP)
    assert stopped is not None
    assert stopped.rule == "after_refused"
    assert f"round 1 was {state}" in stopped.why
    assert waits(ground.look()) == "stopped"
    policies.go_on(ground.store, LOOP)
    assert isinstance(ground.look(), Ask)
    ground.end_round(2, state)
    assert waits(ground.look()) == "stopped"
    assert started(ground) == 2


def test_a_policy_that_waits_starts_nothing_before_the_next_move(ground: Ground) -> None:
    ground.policy(after="wait")
    ground.look()
    assert waits(ground.look()) == "running", "it did not end yet, so it has no end to wait after"
    ground.end_round(1, "REFUSED")
    assert waits(ground.look()) == "waits"
    ground.person("2")
    assert isinstance(ground.look(), Ask)
    assert ground.causes() == ["move", "move"]


@pytest.mark.parametrize(("state", "why"), [("PENDING", "pending"), ("STOPPED", "stopped-round")])
def test_a_round_that_waits_for_a_person_is_followed_by_none(ground: Ground, state: State, why: str) -> None:
    ground.look()
    ground.end_round(1, state)
    assert waits(ground.look()) == why
    assert started(ground) == 1


def test_a_round_that_a_person_ended_is_not_started_again(ground: Ground) -> None:
    ground.look()
    ground.open_round(1)
    end = rounds.RoundEnd(state="FAILED", reason="cancelled: wrong recipe", job=CANCELLED)
    rounds.write_end(ground.store, LOOP, 1, end)
    ground.starter.end()
    assert waits(ground.look()) == "waits"
    ground.person("2")
    assert isinstance(ground.look(), Ask)
    assert ground.causes() == ["move", "move"]


def test_a_loop_that_an_alarm_stopped_goes_on_when_a_person_says_so(ground: Ground) -> None:
    ground.look()
    ground.end_round(1, "STOPPED")
    policies.stop(ground.store, LOOP, Stopped(why="alarm", rule="on_alarm", after=1))
    assert waits(ground.look()) == "stopped"
    policies.go_on(ground.store, LOOP)
    assert isinstance(ground.look(), Ask)
    assert ground.causes() == ["move", "stopped"]


@pytest.mark.parametrize("owner", ["nobody", "schedule"])
def test_a_loop_of_another_owner_starts_nothing_and_says_so(ground: Ground, owner: str) -> None:
    ground.policy(owner=owner)
    ground.person("2")
    assert waits(ground.look()) == "other-owner"
    assert started(ground) == 0
    assert b'ratchet_trigger_loop_idle{loop="mine",why="other-owner"} 1.0' in ground.metrics.page()
    assert b'ratchet_trigger_moves_total{kind="outside",loop="mine"} 1.0' in ground.metrics.page()
    ground.policy()
    ground.look()
    assert b"other-owner" not in ground.metrics.page()


def test_a_loop_without_policy_or_champion_starts_nothing(ground: Ground) -> None:
    ground.store.delete(f"registry/{LOOP}/champion.json")
    assert waits(ground.look()) == "no-champion"
    ground.store.delete(policies.policy_key(LOOP))
    assert waits(ground.look()) == "no-policy"
    assert waits(ground.driver.look("unknown")) == "no-policy"


def test_a_run_that_somebody_else_started_is_waited_for(ground: Ground) -> None:
    held = lease.acquire(ground.store.sub(f"loops/{LOOP}"), "a-person", 60)
    assert waits(ground.look()) == "running"
    held.release()
    assert isinstance(ground.look(), Ask)


def test_a_run_that_opened_no_round_is_followed_like_a_failed_one(ground: Ground) -> None:
    ground.look()
    ground.starter.end()
    assert isinstance(ground.look(), Ask)
    assert ground.causes() == ["move", "vanished"]


def test_a_run_that_was_killed_within_its_round_is_followed_by_one_that_takes_it_up(ground: Ground) -> None:
    ground.look()
    ground.open_round(1)
    ground.starter.end()
    assert isinstance(ground.look(), Ask)
    ground.end_round(1, "REFUSED")
    assert isinstance(ground.look(), Ask)
    assert ground.causes() == ["move", "vanished", "refused"]


def test_failures_in_a_row_wait_longer_each_time_and_stop_the_loop_at_last(ground: Ground) -> None:
    ground.look()
    for number in range(1, MOST_FAILURES):
        ground.end_round(number, "FAILED")
        assert isinstance(ground.look(), Ask)
    ground.end_round(MOST_FAILURES, "FAILED")
    assert waits(ground.look()) == "stopped"
    stopped = policies.read_stopped(ground.store, LOOP)
    assert stopped is not None
    assert "5 rounds failed one after the other" in stopped.why
    policies.go_on(ground.store, LOOP)
    assert isinstance(ground.look(), Ask)
    assert [ask.failures for ask in ground.asks()] == [0, 1, 2, 3, 4, 0]


def test_a_round_after_a_failure_waits(ground: Ground) -> None:
    ground.retry = 3600.0
    ground.driver = ground.new_driver()
    ground.look()
    ground.end_round(1, "FAILED")
    assert waits(ground.look()) == "waits"
    assert started(ground) == 1


def test_a_platform_that_is_down_is_asked_again_with_the_same_request(ground: Ground) -> None:
    class Down:
        def start(self, request: RoundRequest) -> Started:
            ground.starter.start(request)
            raise PlatformUnavailable("the answer was lost")

        def running(self, loop: str) -> list:
            return []

    up, ground.starter = ground.starter, Down()  # type: ignore[assignment]
    down = ground.new_driver()
    ground.starter = up
    with pytest.raises(PlatformUnavailable):
        down.look(LOOP)
    ground.starter.end()
    ground.driver = ground.new_driver()
    assert isinstance(ground.look(), Ask)
    assert started(ground) == 1, "the request that was carried out is not carried out twice"
    assert len(ground.asks()) == 1


def test_two_triggers_at_once_ask_for_one_round(ground: Ground) -> None:
    other = ground.new_driver()
    assert isinstance(ground.look(), Ask)
    assert waits(other.look(LOOP)) == "running"
    assert started(ground) == 1


def test_a_run_that_another_trigger_starts_in_the_middle_of_a_look_is_not_taken_for_one_that_is_gone(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.look()
    ground.end_round(1, "PROMOTED")
    ground.person("2")
    other, running, looked = ground.new_driver(), ground.starter.running, False

    def none_yet(loop: str) -> list[RunState]:
        """Nothing runs; before the caller knows, the other trigger has started the round that is due."""
        nonlocal looked
        found = running(loop)
        if not looked:
            looked = True
            assert isinstance(other.look(loop), Ask)
        return found

    monkeypatch.setattr(ground.starter, "running", none_yet)
    assert waits(ground.look()) == "running"
    assert ground.causes() == ["move", "move"]
    assert started(ground) == 2
