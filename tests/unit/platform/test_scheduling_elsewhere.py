"""Schedules in an experiment that an earlier profile named: found, shown, switched off and deleted as the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ratchet.errors import PlatformError
from ratchet.operations.policy import LoopPolicy
from ratchet.operations.schedules import experiment_key, note_experiment, noted_experiments
from ratchet.platform import scheduling
from ratchet.platform.deploying import deploy_file
from ratchet.platform.places import Place
from ratchet.services.fake_pipelines import FakePipelines, Fault
from ratchet.store import Store, open_store
from tests.pipelines import client, pipeline_file

BEFORE = Place("ratchet-gpu", "kubeflow", "ratchet", "before", None)
AFTER = replace(BEFORE, experiment="after")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakePipelines]:
    with FakePipelines() as running:
        deploy_file(client(running), BEFORE, pipeline_file(tmp_path))
        yield running


def ensured(store: Store, fake: FakePipelines, place: Place, loop: str = "mine") -> scheduling.Ensured:
    return scheduling.ensure(store, client(fake), place, loop, "0 2 * * *", LoopPolicy(recipe="rft"))


def stands(store: Store, fake: FakePipelines, place: Place = AFTER) -> dict[str, str]:
    return {one.schedule: one.stands for one in scheduling.show(store, client(fake), place, "mine")}


def test_a_schedule_of_an_earlier_experiment_is_shown_as_old_and_the_next_ensure_deletes_it(
    store: Store, fake: FakePipelines
) -> None:
    first, other = ensured(store, fake, BEFORE), ensured(store, fake, BEFORE, "another")
    assert stands(store, fake) == {first.schedule: "old"}
    second = ensured(store, fake, AFTER)
    assert second.removed == (first.schedule,)
    assert stands(store, fake) == {second.schedule: "as wanted"}
    assert {*fake.state.recurring} == {second.schedule, other.schedule}, "another loop's stays"
    assert len(noted_experiments(store, "mine")) == 1, "what holds none of its schedules is looked at no more"


def test_a_schedule_of_an_earlier_experiment_waits_switched_off_for_its_run(store: Store, fake: FakePipelines) -> None:
    first = ensured(store, fake, BEFORE)
    (run,) = fake.state.tick()
    second = ensured(store, fake, AFTER)
    assert (second.removed, second.waiting) == ((), (first.schedule,))
    assert stands(store, fake) == {first.schedule: "ending", second.schedule: "as wanted"}
    fake.state.advance(run, "SUCCEEDED")
    assert ensured(store, fake, AFTER).removed == (first.schedule,)


def test_delete_finds_them_also_where_the_loop_was_deleted_before(store: Store, fake: FakePipelines) -> None:
    first = ensured(store, fake, BEFORE)
    (run,) = fake.state.tick()
    assert scheduling.delete(store, client(fake), AFTER, "mine").waiting == {first.schedule: (run,)}
    assert stands(store, fake) == {first.schedule: "ending"}, "nothing is wanted any more, and it is still known"
    fake.state.advance(run, "SUCCEEDED")
    assert scheduling.delete(store, client(fake), AFTER, "mine").removed == (first.schedule,)
    assert noted_experiments(store, "mine") == []


def test_pause_switches_off_in_every_experiment(store: Store, fake: FakePipelines) -> None:
    first = ensured(store, fake, BEFORE)
    fake.state.tick()
    second = ensured(store, fake, AFTER)
    fake.state.recurring[first.schedule]["status"] = "ENABLED"  # by a person
    assert {*scheduling.pause(store, client(fake), "mine")} == {first.schedule, second.schedule}
    assert {one["status"] for one in fake.state.recurring.values()} == {"DISABLED"}


def test_an_experiment_that_was_deleted_holds_none(store: Store, fake: FakePipelines) -> None:
    note_experiment(store, "mine", "gone")
    fake.faults.append(Fault(404, times=99, path="experiment_id=gone"))
    assert ensured(store, fake, AFTER).made
    assert "gone" not in noted_experiments(store, "mine")


def test_an_experiment_that_may_not_be_looked_at_is_named_with_the_way_out(store: Store, fake: FakePipelines) -> None:
    note_experiment(store, "mine", "theirs")
    fake.faults.append(Fault(403, times=99, path="experiment_id=theirs"))
    with pytest.raises(
        PlatformError, match=rf"theirs may hold.*delete them there, then {experiment_key('mine', 'theirs')}"
    ):
        ensured(store, fake, AFTER)
