"""A loop stops by the rules of its policy, says why, and goes on only when somebody says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.errors import BudgetSpent, RoundStopped
from ratchet.finish import finish
from ratchet.operations.policy import (
    LoopPolicy,
    Stopped,
    StopRules,
    go_on,
    read_resumed,
    read_stopped,
    stop,
    write_policy,
)
from ratchet.operations.standing import standing_of
from ratchet.operations.stopping import apply
from ratchet.settings import Settings
from ratchet.status import loop_status
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, RECIPE, leave, leave_all, new_loop, opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def rules(store: Store, **given: object) -> None:
    write_policy(store, LOOP, LoopPolicy(recipe=RECIPE, stop=StopRules.model_validate(given)))


def ended(settings: Settings, number: int, state: str) -> None:
    """One round after the others, without what begin and finish do."""
    store = open_store(settings.root)
    if number == 1:
        opened(settings)
    first = rounds.read_round(store, LOOP, 1)
    if number > 1:
        rounds.write_round(store, first.model_copy(update={"number": number, "salt": f"{number}" * 32}))
    end = rounds.RoundEnd(state=state, reason="not_better", job="job-1", hours=0.75)  # type: ignore[arg-type]
    rounds.write_end(store, LOOP, number, end)


def test_a_loop_without_policy_never_stops(settings: Settings, store: Store) -> None:
    ended(settings, 1, "STOPPED")
    assert apply(store, LOOP) is None


def test_rounds_that_promote_nothing_stop_the_loop_and_finish_says_so(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    rules(store, rounds_without_promotion=2)
    for number in (1, 2):
        ticket = opened(settings, f"job-{number}")
        leave_all(store, ticket, "REFUSED")
        finish(ticket.job, LOOP, settings)
        assert (read_stopped(store, LOOP) is not None) == (number == 2)
    words = "2 rounds in a row promoted nothing (the rule allows 2). `ratchet loop resume --loop mine` goes on"
    assert words in capsys.readouterr().err
    with pytest.raises(RoundStopped, match=r"loop mine is stopped since .*: 2 rounds in a row promoted nothing"):
        opened(settings, "job-3")
    end = finish("job-3", LOOP, settings)
    assert (end.state, words in end.reason) == ("STOPPED", True)
    assert rounds.numbers(store, LOOP) == [1, 2]
    status = loop_status(settings, LOOP)
    assert words in status["stopped"]["words"]
    assert status["refused"]["job"] == "job-3"


@pytest.mark.parametrize(
    ("states", "stops"),
    [
        (["REFUSED", "FAILED"], True),
        (["REFUSED", "STALE"], True),
        (["REFUSED", "PROMOTED"], False),
        (["PROMOTED", "REFUSED"], False),
        (["REFUSED", "PENDING"], False),
    ],
)
def test_only_a_row_of_decided_rounds_counts(settings: Settings, store: Store, states: list[str], stops: bool) -> None:
    rules(store, rounds_without_promotion=2)
    for number, state in enumerate(states, 1):
        ended(settings, number, state)
    found = apply(store, LOOP)
    assert (found is not None) == stops


def test_so_many_rounds_and_so_many_hours_stop_the_loop(settings: Settings, store: Store) -> None:
    rules(store, rounds=2)
    ended(settings, 1, "PROMOTED")
    assert apply(store, LOOP) is None
    ended(settings, 2, "PROMOTED")
    rules(store, gpu_hours=1.6)
    assert apply(store, LOOP) is None
    rules(store, gpu_hours=1.5)
    found = apply(store, LOOP)
    assert found is not None
    assert (found.rule, found.after) == ("gpu_hours", 2)
    assert found.why == "its rounds took 1.5 hours of a device (the rule allows 1.5)"
    go_on(store, LOOP)
    # Round 2 has been paid for: what comes counts.
    rules(store, rounds=2, gpu_hours=1.5)
    assert apply(store, LOOP) is None
    ended(settings, 3, "PROMOTED")
    assert apply(store, LOOP) is None
    ended(settings, 4, "PROMOTED")
    again = apply(store, LOOP)
    assert again is not None
    assert again.rule == "rounds"


@pytest.mark.parametrize(
    ("error", "stops"), [(RoundStopped("alarm entropy: fell"), True), (BudgetSpent("spent"), False)]
)
def test_an_alarm_stops_the_loop_and_a_spent_budget_does_not(
    settings: Settings, store: Store, error: Exception, stops: bool
) -> None:
    rules(store)
    ticket = opened(settings)
    leave(store, ticket, "generate")
    rounds.write_failure(store, ticket, "verify", error)
    assert finish(ticket.job, LOOP, settings).state == "STOPPED"
    found = read_stopped(store, LOOP)
    assert (found is not None) == stops
    if found is not None:
        assert found.why == "round 1 was stopped: verify: alarm entropy: fell"


def test_a_spent_budget_of_a_shard_is_no_alarm_and_an_alarm_beside_it_is_one(settings: Settings, store: Store) -> None:
    rules(store)
    ticket = opened(settings)
    rounds.write_failure(store, ticket, "generate", BudgetSpent("spent"), "shard 0")
    assert finish(ticket.job, LOOP, settings).reason == "generate: spent"
    assert apply(store, LOOP) is None
    rounds.write_failure(store, ticket, "generate", RoundStopped("alarm entropy: fell"), "shard 1")
    assert rounds.read_stops(store, LOOP, 1, ticket.job) == {"generate": "alarm entropy: fell"}
    assert apply(store, LOOP) is not None


def test_a_loop_that_stops_while_a_run_is_checked_opens_no_round(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ratchet.begin.stage.before_round",
        lambda *_: stop(store, LOOP, Stopped(why="3 rounds", rule="rounds", after=1)),
    )
    with pytest.raises(RoundStopped, match="3 rounds"):
        opened(settings)
    assert rounds.numbers(store, LOOP) == []


def test_a_round_that_runs_while_the_loop_is_told_to_go_on_counts(settings: Settings, store: Store) -> None:
    rules(store, rounds=1)
    ended(settings, 1, "REFUSED")
    first = rounds.read_round(store, LOOP, 1)
    rounds.write_round(store, first.model_copy(update={"number": 2, "salt": "2" * 32}))
    assert apply(store, LOOP) is not None
    go_on(store, LOOP)
    assert read_resumed(store, LOOP).after == 1
    rounds.write_end(store, LOOP, 2, rounds.RoundEnd(state="REFUSED", reason="not_better", job="job-1"))
    assert apply(store, LOOP) is not None


def test_a_paused_loop_keeps_its_first_reason_and_goes_on_when_asked(settings: Settings, store: Store) -> None:
    stop(store, LOOP, Stopped(why="new data on Monday", rule="person", after=0))
    assert stop(store, LOOP, Stopped(why="other", rule="rounds", after=0)).why == "new data on Monday"
    with pytest.raises(RoundStopped, match="new data on Monday"):
        opened(settings)
    was = go_on(store, LOOP, "ada", "it came")
    assert was is not None
    assert (read_resumed(store, LOOP).by, read_stopped(store, LOOP)) == ("ada", None)
    assert opened(settings).number == 1
    assert go_on(store, LOOP) is None


def test_a_finish_that_was_killed_before_it_stopped_the_loop_is_made_up_for_by_begin(
    settings: Settings, store: Store
) -> None:
    rules(store, rounds=1)
    ended(settings, 1, "REFUSED")
    with pytest.raises(RoundStopped, match="it had 1 rounds"):
        opened(settings, "job-2")


def test_a_loop_shows_how_far_its_rules_are_used(settings: Settings, store: Store) -> None:
    assert "has no policy" in standing_of(store, LOOP)["words"]
    rules(store, rounds=5)
    ended(settings, 1, "REFUSED")
    shown = {one["rule"]: (one["now"], one["limit"]) for one in standing_of(store, LOOP)["rules"]}
    assert shown == {
        "rounds_without_promotion": ("1", "never"),
        "rounds": ("1", "5"),
        "gpu_hours": ("0.75", "never"),
        "on_alarm": ("no alarm", "an alarm"),
    }
