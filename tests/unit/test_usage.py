"""A round's tasks count what they take, and stop when its budget is spent."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from ratchet import rounds, usage
from ratchet.artifacts import Manifest
from ratchet.errors import BudgetSpent, RoundError
from ratchet.finish import finish
from ratchet.finish.stage import end_of
from ratchet.operations.policy import LoopPolicy, write_policy
from ratchet.profile import Profile
from ratchet.progress import silent
from ratchet.rounds import Devices, Ticket
from ratchet.settings import Settings
from ratchet.stage import StageContext, run_ticket
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, RECIPE, ROWS, leave, leave_all, new_loop, opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def took(store: Store, ticket: Ticket, stage: str, hours: float, name: str = "a") -> None:
    """What a task of the round has counted."""
    use = usage.Use(stage=stage, job=ticket.job, devices=1, seconds=3600 * hours)
    key = f"{rounds.round_prefix(LOOP, ticket.number)}/used/{stage}-{name}.json"
    store.put(key, use.model_dump_json().encode())


def test_gpus_are_what_costs_where_a_profile_has_any() -> None:
    plain = usage.devices_of(Profile())
    assert plain == Devices(kind="machine", by_stage=dict.fromkeys(usage.COSTLY, 1))
    profile = Profile.load(
        "{name: gpus, launcher: {kind: torchrun, processes: 4},"
        " resources: {generate: {gpus: 2}, train: {gpus: 4}, verify: {cpu: '8'}}}"
    )
    assert usage.devices_of(profile) == Devices(kind="nvidia.com/gpu", by_stage={"generate": 2, "train": 4})


def test_a_task_counts_while_it_works_and_what_a_kill_leaves_stays(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    first = rounds.read_round(store, LOOP, 1)
    with usage.metering(store, first, "generate", "shard 1", ticket.job, 0.05):
        deadline = time.monotonic() + 120
        while not usage.uses(store, first.prefix) and time.monotonic() < deadline:
            time.sleep(0.01)
        (so_far,) = usage.uses(store, first.prefix)
    (use,) = usage.uses(store, first.prefix)
    assert (use.stage, use.part, use.job, use.devices) == ("generate", "shard 1", "job-1", 1)
    assert 0 < so_far.seconds <= use.seconds
    took(store, ticket, "train", 0.5)
    leave_all(store, ticket)
    end = finish(ticket.job, LOOP, settings)
    assert end.hours == pytest.approx(0.5, abs=0.01)


def test_the_budget_is_the_runs_or_the_policys(settings: Settings, store: Store) -> None:
    write_policy(store, LOOP, LoopPolicy(recipe=RECIPE, budget=3.0))
    opened(settings)
    assert rounds.read_round(store, LOOP, 1).budget == 3.0
    finish("job-1", LOOP, settings)
    opened(settings, "job-2", budget=0.5)
    assert rounds.read_round(store, LOOP, 2).budget == 0.5
    finish("job-2", LOOP, settings)
    with pytest.raises(RoundError, match="budget is -1, but hours cannot be negative"):
        opened(settings, "job-3", recipe=RECIPE.replace("seed: 7", "seed: 8"), budget=-1)


def test_a_stage_does_not_start_when_the_budget_is_spent(settings: Settings, store: Store) -> None:
    ticket = opened(settings, budget=0.5)
    first = rounds.read_round(store, LOOP, 1)
    took(store, ticket, "generate", 0.25)
    with usage.metering(store, first, "train", "", ticket.job, 60):
        pass
    took(store, ticket, "generate", 0.5, "b")
    spent = r"round 1 of loop mine has taken 0.75 hours of a machine, its budget is 0.5"
    with pytest.raises(BudgetSpent, match=spent), usage.metering(store, first, "train", "", ticket.job, 60) as meter:
        meter.check()
    # promote takes no device: what the round has paid for is decided.
    with usage.metering(store, first, "promote", "", ticket.job, 60) as meter:
        meter.check()


def test_a_stage_at_work_stops_in_the_thread_that_works(settings: Settings, store: Store) -> None:
    ticket = opened(settings, budget=0.5)
    first = rounds.read_round(store, LOOP, 1)
    leave(store, ticket, "generate")

    def work() -> None:
        with rounds.keeping_failure(ticket, "verify"), usage.metering(store, first, "verify", "", "job-1", 60) as meter:
            progress = meter.watching(silent)
            progress(1, 9, "prompts")
            took(store, ticket, "generate", 0.6)
            meter.beat()
            # A judge's thread may tell progress: an error there would be taken for the judge's.
            other = threading.Thread(target=progress, args=(2, 9, "prompts"))
            other.start()
            other.join()
            progress(3, 9, "prompts")

    with pytest.raises(BudgetSpent):
        work()
    end = finish(ticket.job, LOOP, settings)
    assert end.state == "STOPPED"
    assert end.reason.startswith("verify: round 1 of loop mine has taken 0.6 hours of a machine, its budget is 0.5")
    assert end.hours == pytest.approx(0.6, abs=0.01)


def test_a_round_that_is_taken_up_again_keeps_its_budget(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(settings, budget=0.5)
    finish("job-1", LOOP, settings)
    assert opened(settings, "job-2", resume=True, budget=2.0).number == 1
    assert rounds.read_round(store, LOOP, 1).budget == 0.5
    assert "round 1 goes on with its budget of 0.5 hours; 2 was asked for now" in capsys.readouterr().err


def test_a_round_that_is_sure_to_pass_its_budget_is_not_opened(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    for stage in usage.COSTLY:
        took(store, ticket, stage, 1.0)
    leave_all(store, ticket)
    finish(ticket.job, LOOP, settings)
    with pytest.raises(RoundError, match=r"takes 5 to 5 hours of a machine \(from 1 past rounds\), its budget is 2"):
        opened(settings, "job-2", budget=2.0)
    assert opened(settings, "job-3", budget=6.0).number == 2


def test_a_stage_is_counted_and_kept_to_the_budget_by_who_runs_it(settings: Settings, store: Store) -> None:
    ticket = opened(settings, budget=0.5)

    def work(context: StageContext) -> Manifest:
        took(store, ticket, "generate", 0.7)
        assert context.meter is not None
        context.meter.beat()
        context.check_lease()
        raise AssertionError("the work went on")

    with pytest.raises(BudgetSpent, match=r"0\.7 hours"), rounds.keeping_failure(ticket, "generate"):
        run_ticket("generate", ticket, {}, settings, work)
    assert {one.stage for one in usage.uses(store, rounds.round_prefix(LOOP, 1))} == {"generate"}
    assert finish(ticket.job, LOOP, settings).state == "STOPPED"


def test_a_finished_stage_that_is_tried_again_comes_back_whatever_was_spent(settings: Settings, store: Store) -> None:
    ticket = opened(settings, budget=0.5)
    with rounds.keeping_failure(ticket, "generate"):
        made = run_ticket("generate", ticket, {}, settings, _committed)
    took(store, ticket, "generate", 0.6)
    with rounds.keeping_failure(ticket, "generate"):
        assert run_ticket("generate", ticket, {}, settings).uri == made.uri
    with pytest.raises(BudgetSpent), rounds.keeping_failure(ticket, "verify"):
        run_ticket("verify", ticket, {"generate": made.uri}, settings)


def _committed(context: StageContext) -> Manifest:
    return context.writer(ROWS).commit()


def test_what_a_finished_stage_said_when_it_was_tried_again_ends_the_round(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    leave_all(store, ticket, but=("promote",))
    rounds.write_failure(store, ticket, "evaluate", OSError("disk full"))
    end = end_of(store, ticket)
    assert (end.state, end.reason.startswith("promote: it left no manifest")) == ("FAILED", True)
    assert end.reason.endswith("evaluate, which had finished, was tried again and said OSError: disk full")
    rounds.write_failure(store, ticket, "evaluate", BudgetSpent("spent"))
    end = end_of(store, ticket)
    assert (end.state, end.reason) == ("STOPPED", "evaluate: spent")
