"""Runs as people see them, and how one is ended: at the platform, its round in the store, and its hold on the loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.errors import LeaseLost, PlatformError
from ratchet.finish import finish
from ratchet.operations.starting import RoundRequest
from ratchet.platform import runs
from ratchet.platform.places import Place
from ratchet.platform.starter import KfpStarter
from ratchet.registry import lease as leases
from ratchet.services.fake_pipelines import FakePipelines, Fault
from ratchet.settings import Settings
from ratchet.stage import lease_of
from ratchet.store import open_store
from tests.pipelines import client, pipeline_file
from tests.unit.loops import LOOP, leave_all, new_loop, opened

PLACE = Place("ratchet-gpu", "kubeflow", "ratchet", None, None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakePipelines]:
    with FakePipelines() as running:
        client(running).upload(pipeline_file(tmp_path), PLACE.pipeline, "")
        yield running


def started(fake: FakePipelines, settings: Settings, key: str = "first") -> str:
    request = RoundRequest(loop=LOOP, recipe="rft", key=key, why="a test")
    return KfpStarter(client(fake), open_store(settings.root), PLACE).start(request).run


def test_runs_are_listed_with_who_started_them_and_how_their_rounds_ended(
    fake: FakePipelines, settings: Settings
) -> None:
    store = open_store(settings.root)
    first = started(fake, settings)
    ticket = opened(settings, first)
    leave_all(store, ticket)
    finish(first, LOOP, settings)
    fake.state.advance(first, "SUCCEEDED")
    second = started(fake, settings, "second")
    fake.state.runs[second]["recurring_run_id"] = "a schedule"
    newest, oldest = runs.list_runs(client(fake), store, PLACE, LOOP)
    assert (newest.run, newest.state, newest.by, newest.round, newest.ended) == (
        second,
        "pending",
        "schedule",
        None,
        None,
    )
    assert (oldest.state, oldest.by, oldest.round, oldest.ended) == ("succeeded", "person", 1, "REFUSED")
    assert len(runs.list_runs(client(fake), store, PLACE, LOOP, most=1)) == 1
    assert runs.list_runs(client(fake), store, PLACE, "other") == []


def test_a_stopped_run_ends_its_round_and_lets_go_of_the_loop(fake: FakePipelines, settings: Settings) -> None:
    store = open_store(settings.root)
    run = started(fake, settings)
    ticket = opened(settings, run)
    said = runs.stop_run(client(fake), settings, run, "wrong recipe")
    assert said.terminated
    assert said.ended is not None
    assert said.ended.startswith("FAILED: cancelled: wrong recipe")
    assert fake.state.runs[run]["state"] == "CANCELING"
    with pytest.raises(LeaseLost):
        lease_of(store, ticket).check()
    state = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert state is not None
    assert state.released
    assert opened(settings, "next").number == 2


def test_the_exit_task_of_a_stopped_run_changes_nothing_any_more(fake: FakePipelines, settings: Settings) -> None:
    run = started(fake, settings)
    opened(settings, run)
    runs.stop_run(client(fake), settings, run, "wrong recipe")
    assert "cancelled: wrong recipe" in finish(run, LOOP, settings).reason


def test_a_stopped_run_leaves_the_round_of_another_alone(fake: FakePipelines, settings: Settings) -> None:
    opened(settings, "somebody else's")
    run = started(fake, settings)
    said = runs.stop_run(client(fake), settings, run, "a mistake")
    assert (said.terminated, said.ended) == (True, None)
    assert rounds.read_end(open_store(settings.root), LOOP, 1) is None


def test_a_run_that_has_ended_is_told_as_it_ended(fake: FakePipelines, settings: Settings) -> None:
    run = started(fake, settings)
    leave_all(open_store(settings.root), opened(settings, run))
    finish(run, LOOP, settings)
    fake.state.advance(run, "SUCCEEDED")
    said = runs.stop_run(client(fake), settings, run, "too late")
    assert not said.terminated
    assert said.ended is not None
    assert said.ended.startswith("REFUSED")


def test_a_loop_is_stopped_with_all_its_runs_and_a_round_whose_run_is_gone(
    fake: FakePipelines, settings: Settings
) -> None:
    run = started(fake, settings)
    waiting = started(fake, settings, "second")
    opened(settings, "gone")
    said = runs.stop_loop(client(fake), settings, PLACE, LOOP, "enough")
    assert {one.run for one in said} == {run, waiting, "gone"}
    assert [one.ended is not None for one in said if one.run == "gone"] == [True]
    assert runs.stop_loop(client(fake), settings, PLACE, LOOP, "enough") == [] or all(
        one.run in (run, waiting) for one in runs.stop_loop(client(fake), settings, PLACE, LOOP, "enough")
    )


def test_a_run_of_another_pipeline_is_not_stopped(fake: FakePipelines, settings: Settings) -> None:
    run = started(fake, settings)
    fake.state.runs[run]["runtime_config"] = {"parameters": {}}
    with pytest.raises(PlatformError, match="is none of ratchet's"):
        runs.stop_run(client(fake), settings, run, "a mistake")
    assert fake.state.runs[run]["state"] == "PENDING"


def test_a_run_is_waited_for_over_an_outage_of_the_server(fake: FakePipelines, settings: Settings) -> None:
    run = started(fake, settings)
    seen: list[str] = []

    def look(said: str) -> None:
        seen.append(said)
        if said == "pending":
            fake.faults.append(Fault(503, times=4))
        elif said.startswith("waiting"):
            fake.state.advance(run, "FAILED", "no luck")

    assert runs.wait(client(fake), run, look, every=0.01) == "failed"
    assert [said.split(":")[0] for said in seen] == ["pending", "waiting", "failed"]


def test_a_run_that_is_stopped_before_it_has_a_round_lets_go_of_the_loop(
    fake: FakePipelines, settings: Settings
) -> None:
    run = started(fake, settings)
    held = leases.acquire(open_store(settings.root).sub(rounds.loop_prefix(LOOP)), run, 6 * 3600)
    assert runs.stop_run(client(fake), settings, run, "a mistake").ended is None
    with pytest.raises(LeaseLost):
        held.check()
    assert opened(settings, "next").number == 1
