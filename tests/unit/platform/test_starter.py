"""Rounds started at the fake API: once for a key, whoever asks, is late, or is killed in between."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ratchet.errors import PlatformError, PlatformUnavailable
from ratchet.operations.starting import RoundRequest
from ratchet.operations.starts import claim, origin_of, read_start, start_key
from ratchet.platform.places import Place
from ratchet.platform.starter import KfpStarter, arguments, deployed
from ratchet.services.fake_pipelines import FakePipelines, Fault
from ratchet.store import Store, open_store
from tests.pipelines import client, pipeline_file

PLACE = Place("ratchet-gpu", "kubeflow", "ratchet", None, None)
REQUEST = RoundRequest(loop="mine", recipe="rft", key="move 7", why="champion moved to 3")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def starter(fake: FakePipelines, store: Store, folder: Path, claim_seconds: float = 0.3) -> KfpStarter:
    client(fake).upload(pipeline_file(folder), PLACE.pipeline, "a pipeline")
    return KfpStarter(client(fake), store, PLACE, claim_seconds)


def test_a_request_becomes_one_run_with_its_arguments_and_account(store: Store, tmp_path: Path) -> None:
    with FakePipelines() as fake:
        one = starter(fake, store, tmp_path)
        first = one.start(REQUEST)
        again = one.start(REQUEST)
        (run,) = fake.state.runs.values()
    assert (first.new, again.new) == (True, False)
    assert first.run == again.run == run["run_id"]
    assert run["runtime_config"]["parameters"] == {"recipe": "rft", "loop": "mine", "seed": "champion"}
    assert run["service_account"] == "ratchet"
    assert run["description"] == "champion moved to 3"
    assert origin_of(store, "mine", first.run) == REQUEST


def test_another_key_is_another_run(store: Store, tmp_path: Path) -> None:
    with FakePipelines() as fake:
        one = starter(fake, store, tmp_path)
        one.start(REQUEST)
        assert one.start(REQUEST.model_copy(update={"key": "move 8"})).new
        assert len(fake.state.runs) == 2


def test_many_that_start_the_same_at_once_start_one_run(store: Store, tmp_path: Path) -> None:
    with FakePipelines() as fake:
        starter(fake, store, tmp_path)
        found: list[str] = []

        def start() -> None:
            found.append(KfpStarter(client(fake), store, PLACE).start(REQUEST).run)

        threads = [threading.Thread(target=start) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(fake.state.runs) == 1
    assert set(found) == {*fake.state.runs}
    assert len(found) == 6


def test_a_start_that_was_killed_before_the_run_is_gone_on_with(store: Store, tmp_path: Path) -> None:
    with FakePipelines() as fake:
        one = starter(fake, store, tmp_path)
        claim(store, REQUEST)
        assert one.start(REQUEST).new
        assert len(fake.state.runs) == 1


def test_a_start_that_was_killed_after_the_run_finds_it(store: Store, tmp_path: Path) -> None:
    with FakePipelines() as fake:
        one = starter(fake, store, tmp_path)
        run = one.start(REQUEST).run
        store.delete(start_key("mine", REQUEST.key))
        claim(store, REQUEST)
        again = one.start(REQUEST)
        assert (again.run, again.new) == (run, False)
        assert len(fake.state.runs) == 1
    known = read_start(store, "mine", REQUEST.key)
    assert known is not None
    assert known.run == run


@pytest.mark.parametrize("code", [500, 502, 503, 504, None])
def test_a_run_whose_answer_is_lost_is_not_started_twice(store: Store, tmp_path: Path, code: int | None) -> None:
    with FakePipelines() as fake:
        one = starter(fake, store, tmp_path)
        fake.faults.append(Fault(code, method="POST", path="/runs", after=True))
        found = one.start(REQUEST)
        assert [*fake.state.runs] == [found.run]
        assert fake.state.runs[found.run]["state"] == "PENDING"


def test_a_server_that_is_down_leaves_nothing_that_the_next_start_waits_for(store: Store, tmp_path: Path) -> None:
    with FakePipelines() as fake:
        one = starter(fake, store, tmp_path, claim_seconds=60.0)
        fake.faults.append(Fault(503, times=99, method="POST", path="/runs"))
        with pytest.raises(PlatformUnavailable, match="503"):
            one.start(REQUEST)
        fake.faults.clear()
        assert one.start(REQUEST).new


def test_one_that_slept_over_its_turn_takes_its_own_run_back(store: Store, tmp_path: Path) -> None:
    with FakePipelines() as fake:
        one = starter(fake, store, tmp_path)
        first = one.start(REQUEST).run
        version = deployed(client(fake), PLACE)
        experiment, _ = client(fake).experiment("mine", "")
        body = one._body(REQUEST, fake.state.runs[first]["display_name"], experiment, version)
        fake.state.runs[first]["created_at"] = "2020-01-01T00:00:00Z"
        late, _ = client(fake).create_run(body, lambda: None)
        everything = list(client(fake).runs(experiment.experiment_id))
        assert one._only(late, everything).run_id == first
        assert fake.state.runs[late.run_id]["state"] == "CANCELING"


def test_a_pipeline_that_was_never_uploaded_is_named_with_the_command(store: Store) -> None:
    with (
        FakePipelines() as fake,
        pytest.raises(PlatformError, match="no pipeline ratchet-gpu: upload it with `ratchet deploy`"),
    ):
        KfpStarter(client(fake), store, PLACE).start(REQUEST)
    assert read_start(store, "mine", REQUEST.key) is None


def test_a_schedule_that_names_arguments_the_pipeline_lacks_is_refused_by_the_server(
    store: Store, tmp_path: Path
) -> None:
    with FakePipelines() as fake:
        pipeline_file(tmp_path)
        old = pipeline_file(tmp_path, "pipelineInfo: {name: old}\nroot: {}\n")
        client(fake).upload(old, PLACE.pipeline, "")
        with pytest.raises(PlatformError, match="400: parameter loop is not an input"):
            KfpStarter(client(fake), store, PLACE).start(REQUEST)


def test_the_runs_of_a_loop_that_go_on_are_listed_and_no_others(store: Store, tmp_path: Path) -> None:
    with FakePipelines() as fake:
        one = starter(fake, store, tmp_path)
        assert one.running("mine") == []
        first = one.start(REQUEST).run
        second = one.start(REQUEST.model_copy(update={"key": "move 8"})).run
        one.start(REQUEST.model_copy(update={"key": "move 8", "loop": "other"}))
        fake.state.advance(first, "SUCCEEDED")
        (found,) = one.running("mine")
    assert (found.run, found.state, found.loop) == (second, "pending", "mine")


def test_a_run_of_the_trigger_says_so_in_its_arguments() -> None:
    assert "origin" not in arguments(REQUEST)
    assert arguments(REQUEST.model_copy(update={"origin": "trigger"}))["origin"] == "trigger"
