"""Schedules at the fake API: one a loop, whatever was there, whoever was killed, whoever asks twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ratchet.errors import PlatformError, PlatformUnavailable, RecipeError, RoundError
from ratchet.operations import policy as policies
from ratchet.operations.policy import LoopPolicy, Stopped
from ratchet.operations.schedules import ScheduleSpec, WantedSchedule, cron_of, is_of
from ratchet.platform import scheduling
from ratchet.platform.deploying import deploy_file
from ratchet.platform.places import Place
from ratchet.services.fake_pipelines import FakePipelines, Fault
from ratchet.store import Store, open_store
from tests.pipelines import IR, client, pipeline_file

PLACE = Place("ratchet-gpu", "kubeflow", "ratchet", None, None)
POLICY = LoopPolicy(recipe="rft")
NIGHTLY = "0 2 * * *"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakePipelines]:
    with FakePipelines() as running:
        deploy_file(client(running), PLACE, pipeline_file(tmp_path))
        yield running


def ensured(
    store: Store, fake: FakePipelines, cron: str | None = NIGHTLY, policy: LoopPolicy = POLICY, **options: bool
) -> scheduling.Ensured:
    return scheduling.ensure(store, client(fake), PLACE, "mine", cron, policy, **options)


def test_a_schedule_is_made_once_with_what_the_policy_says(store: Store, fake: FakePipelines) -> None:
    first, again = ensured(store, fake), ensured(store, fake)
    (kept,) = fake.state.recurring.values()
    assert (first.made, again.made) == (True, False)
    assert first.schedule == again.schedule == kept["recurring_run_id"]
    assert kept["status"] == "ENABLED"
    assert kept["max_concurrency"] == "1"
    assert kept["no_catchup"] is True
    assert kept["trigger"] == {"cron_schedule": {"cron": "0 0 2 * * *"}}
    assert kept["runtime_config"]["parameters"] == {
        "recipe": "rft",
        "loop": "mine",
        "seed": "champion",
        "origin": "schedule",
    }
    assert kept["service_account"] == "ratchet"
    assert "pipeline_version_id" not in kept["pipeline_version_reference"]
    policy = policies.read_policy(store, "mine")
    assert policy is not None
    assert policy.owner == "schedule"


def test_a_changed_schedule_takes_the_place_of_the_old_one(store: Store, fake: FakePipelines) -> None:
    first = ensured(store, fake)
    second = ensured(store, fake, cron="0 3 * * *")
    assert second.removed == (first.schedule,)
    assert [*fake.state.recurring] == [second.schedule]
    assert ensured(store, fake, cron=None).schedule == second.schedule, "without --cron it stays"


def test_a_change_of_recipe_or_budget_is_a_new_schedule(store: Store, fake: FakePipelines) -> None:
    ensured(store, fake)
    changed = ensured(store, fake, policy=POLICY.model_copy(update={"budget": 2.0}))
    assert changed.made
    assert fake.state.recurring[changed.schedule]["runtime_config"]["parameters"]["budget"] == 2.0
    assert len(fake.state.recurring) == 1


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_whoever_is_killed_in_the_middle_leaves_what_the_next_puts_right(
    store: Store, fake: FakePipelines, method: str
) -> None:
    ensured(store, fake)
    # POST: the new one is made and stays off; DELETE: the old one stays, switched off.
    fake.faults.append(Fault(503, times=99, method="DELETE", path="/recurringruns"))
    if method == "POST":
        fake.faults.append(Fault(503, times=99, path=":enable"))
    with pytest.raises(PlatformUnavailable):
        ensured(store, fake, cron="0 3 * * *")
    on = [one for one in fake.state.recurring.values() if one["status"] == "ENABLED"]
    assert len(fake.state.recurring) == 2
    assert len(on) == (method == "DELETE"), "never two that are on"
    fake.faults.clear()
    healed = ensured(store, fake, cron="0 3 * * *")
    assert (healed.made, len(healed.removed)) == (False, 1)
    assert fake.state.recurring[healed.schedule]["status"] == "ENABLED"


def test_a_schedule_that_was_made_and_never_switched_on_is_switched_on(store: Store, fake: FakePipelines) -> None:
    fake.faults.append(Fault(503, times=99, path=":enable"))
    with pytest.raises(PlatformUnavailable):
        ensured(store, fake)
    fake.faults.clear()
    assert fake.state.tick() == []
    ensured(store, fake)
    assert len(fake.state.tick()) == 1


def test_duplicates_are_shown_and_the_oldest_is_kept(store: Store, fake: FakePipelines) -> None:
    first = ensured(store, fake)
    kept = fake.state.recurring[first.schedule]
    twin = fake.state.add(fake.state.recurring, "recurring_run_id", kept)
    kept["created_at"] = "2020-01-01T00:00:00Z"
    foreign = fake.state.add(fake.state.recurring, "recurring_run_id", {**kept, "display_name": "somebody's own"})
    shown = scheduling.show(store, client(fake), PLACE, "mine")
    assert [one.stands for one in shown] == ["as wanted", "duplicate"]
    assert ensured(store, fake).removed == (twin["recurring_run_id"],)
    assert {*fake.state.recurring} == {first.schedule, foreign["recurring_run_id"]}


@pytest.mark.parametrize("code", [500, None])
def test_a_schedule_whose_answer_is_lost_is_not_made_twice(store: Store, fake: FakePipelines, code: int | None) -> None:
    fake.faults.append(Fault(code, method="POST", path="/recurringruns", after=True))
    ensured(store, fake)
    assert len(fake.state.recurring) == 1


def test_several_that_ensure_at_once_leave_one_schedule_that_is_on(store: Store, fake: FakePipelines) -> None:
    ensured(store, fake)
    scheduling.delete(store, client(fake), PLACE, "mine")
    (experiment,) = fake.state.experiments
    (pipeline,) = fake.state.pipelines
    spec = ScheduleSpec(loop="mine", cron=NIGHTLY, recipe="rft", pipeline=pipeline, experiment=experiment)
    # Both have looked and found nothing before either makes one.
    fake.faults.append(Fault(200, times=2, method="POST", path="/recurringruns", seconds=0.3))
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(scheduling.agree, client(fake), WantedSchedule(spec=spec), [experiment]) for _ in range(2)]
        kept = {one.result().schedule for one in asked}
    assert kept >= {*fake.state.recurring}, "one who was the whole time ahead may have been overtaken since"
    assert [one["status"] for one in fake.state.recurring.values()] == ["ENABLED"]


def test_loops_whose_names_begin_alike_keep_their_schedules_apart(store: Store, fake: FakePipelines) -> None:
    shared = Place("ratchet-gpu", "kubeflow", "ratchet", "everybody", None)
    for loop in ("mine", "mine-2"):
        scheduling.ensure(store, client(fake), shared, loop, NIGHTLY, POLICY)
    scheduling.delete(store, client(fake), shared, "mine")
    (left,) = fake.state.recurring.values()
    assert left["runtime_config"]["parameters"]["loop"] == "mine-2"
    assert not is_of("ratchet-mine-2-0123456789", "mine")


def test_a_paused_schedule_stays_paused_until_it_is_resumed(store: Store, fake: FakePipelines) -> None:
    ensured(store, fake)
    scheduling.pause(store, client(fake), "mine")
    assert fake.state.tick() == []
    assert not ensured(store, fake, cron="0 3 * * *").enabled
    assert fake.state.tick() == []
    resumed = scheduling.resume(store, client(fake), "mine")
    assert resumed is not None
    assert resumed.enabled
    assert len(fake.state.tick()) == 1


def test_resuming_goes_on_with_a_loop_that_stopped_itself(store: Store, fake: FakePipelines) -> None:
    ensured(store, fake)
    policies.stop(store, "mine", Stopped(why="3 rounds without promotion", rule="rounds_without_promotion", after=3))
    scheduling.resume(store, client(fake), "mine")
    assert policies.read_stopped(store, "mine") is None


def test_a_stopped_loop_without_schedule_goes_on_as_well(store: Store, fake: FakePipelines) -> None:
    policies.stop(store, "mine", Stopped(why="an alarm", rule="on_alarm", after=3))
    assert scheduling.resume(store, client(fake), "mine") is None
    assert policies.read_stopped(store, "mine") is None


def test_a_deleted_schedule_leaves_a_loop_of_nobody(store: Store, fake: FakePipelines) -> None:
    ensured(store, fake)
    assert len(scheduling.delete(store, client(fake), PLACE, "mine").removed) == 1
    assert scheduling.delete(store, client(fake), PLACE, "mine").removed == ()
    policy = policies.read_policy(store, "mine")
    assert policy is not None
    assert policy.owner == "nobody"
    with pytest.raises(RoundError, match="has no schedule: `ratchet schedule ensure"):
        scheduling.resume(store, client(fake), "mine")


def test_a_schedule_that_is_replaced_waits_switched_off_for_its_run(store: Store, fake: FakePipelines) -> None:
    first = ensured(store, fake)
    (run,) = fake.state.tick()
    second, again = ensured(store, fake, cron="0 3 * * *"), ensured(store, fake)
    assert (second.removed, second.waiting) == ((), (first.schedule,))
    assert (again.schedule, again.waiting, again.removed) == (first.schedule, (), (second.schedule,)), (
        "it is wanted again"
    )
    third = ensured(store, fake, cron="0 3 * * *")
    assert fake.state.runs[run]["state"] == "PENDING", "deleting its schedule would have ended it"
    assert fake.state.recurring[first.schedule]["status"] == "DISABLED"
    shown = {one.stands: one for one in scheduling.show(store, client(fake), PLACE, "mine")}
    assert (shown["ending"].schedule, shown["ending"].runs) == (first.schedule, (run,))
    assert shown["as wanted"].schedule == third.schedule
    fake.state.advance(run, "SUCCEEDED")
    assert ensured(store, fake, cron=None).removed == (first.schedule,)
    assert [*fake.state.recurring] == [third.schedule]


def test_a_deleted_schedule_waits_switched_off_for_its_run(store: Store, fake: FakePipelines) -> None:
    first = ensured(store, fake)
    (run,) = fake.state.tick()
    for _ in range(2):
        done = scheduling.delete(store, client(fake), PLACE, "mine")
        assert (done.removed, done.waiting) == ((), {first.schedule: (run,)})
    assert fake.state.tick() == []
    assert fake.state.runs[run]["state"] == "PENDING"
    fake.state.advance(run, "SUCCEEDED")
    assert scheduling.delete(store, client(fake), PLACE, "mine").removed == (first.schedule,)


def test_a_schedule_is_deleted_with_its_run_only_when_told(store: Store, fake: FakePipelines) -> None:
    first = ensured(store, fake)
    (run,) = fake.state.tick()
    done = scheduling.delete(store, client(fake), PLACE, "mine", now=True)
    assert (done.removed, done.killed) == ((first.schedule,), (run,))
    assert fake.state.recurring == {}
    assert fake.state.runs[run]["state"] == "CANCELED"


def test_a_loop_of_the_trigger_is_only_taken_over_when_told(store: Store, fake: FakePipelines) -> None:
    policies.write_policy(store, "mine", LoopPolicy(owner="trigger", recipe="rft"))
    with pytest.raises(RoundError, match=r"belongs to its trigger.*--take-over"):
        ensured(store, fake)
    assert fake.state.recurring == {}
    assert ensured(store, fake, take_over=True).enabled


def test_a_pinned_schedule_stays_at_its_version(store: Store, fake: FakePipelines, tmp_path: Path) -> None:
    pinned = ensured(store, fake, pin=True)
    first = next(iter(fake.state.versions))
    deploy_file(client(fake), PLACE, pipeline_file(tmp_path, IR.replace("small", "changed")))
    (run,) = fake.state.tick()
    assert fake.state.runs[run]["pipeline_version_id"] == first
    assert ensured(store, fake, pin=True).schedule != pinned.schedule, "an ensure pins the newest"
    followed = ensured(store, fake, pin=False)
    (run,) = fake.state.tick()
    assert fake.state.runs[run]["pipeline_version_id"] != first
    assert followed.made


def test_a_server_that_cannot_make_schedules_without_version_is_told_apart(store: Store, fake: FakePipelines) -> None:
    fake.faults.append(Fault(500, times=99, method="POST", path="/recurringruns"))
    with pytest.raises(PlatformUnavailable, match=r"#13440.*--pin"):
        ensured(store, fake)


def test_nothing_is_scheduled_before_the_pipeline_is_there(store: Store) -> None:
    with FakePipelines() as empty, pytest.raises(PlatformError, match="ratchet deploy"):
        ensured(store, empty)
    assert policies.read_policy(store, "mine") is None


def test_the_first_schedule_needs_its_times(store: Store, fake: FakePipelines) -> None:
    with pytest.raises(RoundError, match="say when"):
        ensured(store, fake, cron=None)


def test_a_run_of_a_schedule_says_so_in_its_arguments(store: Store, fake: FakePipelines) -> None:
    """Its pods have no token of the API to ask with."""
    ensured(store, fake)
    (run,) = fake.state.tick()
    assert fake.state.runs[run]["runtime_config"]["parameters"]["origin"] == "schedule"


@pytest.mark.parametrize(
    ("given", "read"), [("*/5 * * * *", "0 */5 * * * *"), ("30 0 2 * * MON", "30 0 2 * * MON"), ("@daily", "@daily")]
)
def test_the_five_fields_of_a_crontab_get_seconds(given: str, read: str) -> None:
    assert cron_of(given) == read


@pytest.mark.parametrize("given", ["", "2 am", "* * * *", "0 2 * * * * *", "0 2 * * $(x)", "@never"])
def test_what_is_no_schedule_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(RecipeError, match=r"0 2 \* \* \*"):
        cron_of(given)


def test_a_pinned_schedule_stays_pinned_until_it_is_said_otherwise(store: Store, fake: FakePipelines) -> None:
    first = ensured(store, fake, pin=True)
    assert ensured(store, fake, cron=None).schedule == first.schedule
    assert ensured(store, fake, cron=None, pin=False).schedule != first.schedule
