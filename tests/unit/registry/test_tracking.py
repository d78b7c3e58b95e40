"""A round has one run in the registry from begin to its end, and the run says how the round ended."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet import rounds
from ratchet.errors import LeaseHeld, RecipeError, RoundStopped
from ratchet.finish import finish
from ratchet.loop import cancel
from ratchet.registry import Registry, lease, open_registry, tracking
from ratchet.registry.base import DIGEST, LOOP, ROUND, Lineage
from ratchet.registry.mlflow_registry import MlflowRegistry
from ratchet.registry.store_registry import StoreRegistry
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP as NAME
from tests.unit.loops import OTHER_RECIPE, leave, leave_all, new_loop, opened

ENDS = [
    ("PROMOTED", "FINISHED"),
    ("REFUSED", "FINISHED"),
    ("STALE", "FINISHED"),
    ("PENDING", "FINISHED"),
    ("STOPPED", "KILLED"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def run_of(store: Store, number: int = 1) -> dict[str, Any]:
    known = tracking.read(store, NAME, number)
    assert known is not None
    return StoreRegistry(store).run(known.run)


def test_the_run_of_a_round_runs_from_begin_on(settings: Settings, store: Store) -> None:
    opened(settings)
    run = run_of(store)
    assert (run["state"], run["tags"][LOOP], run["tags"][ROUND]) == ("RUNNING", NAME, "1")
    assert [one.round for one in StoreRegistry(store).running(NAME)] == [1]


@pytest.mark.parametrize(("state", "ended"), ENDS)
def test_the_run_ends_as_the_round_does(settings: Settings, store: Store, state: str, ended: str) -> None:
    ticket = opened(settings)
    leave_all(store, ticket, state)
    end = finish(ticket.job, NAME, settings)
    run = run_of(store)
    assert run["state"] == ended
    told = {tracking.STATE: state, tracking.REASON: end.reason, tracking.JOB: "job-1"}
    told[tracking.PAGE] = store.uri(f"{rounds.round_prefix(NAME, 1)}/report.html")
    assert told.items() <= run["tags"].items()
    assert run["metrics"]["train/seconds"] == 1.5
    assert StoreRegistry(store).running(NAME) == []


def test_a_failed_round_has_a_failed_run_that_runs_again_when_it_is_taken_up(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    leave(store, ticket, "generate")
    finish(ticket.job, NAME, settings)
    run = run_of(store)
    assert (run["state"], run["metrics"]) == ("FAILED", {"generate/rows": 1.0, "generate/seconds": 1.5})
    assert run["tags"][tracking.REASON].startswith("verify: it left no manifest")
    again = opened(settings, "job-2", resume=True)
    assert (again.number, run_of(store)["state"], run_of(store)["run"]) == (1, "RUNNING", run["run"])
    leave_all(store, again, "REFUSED")
    finish("job-2", NAME, settings)
    assert (run_of(store)["state"], run_of(store)["tags"][tracking.JOB]) == ("FINISHED", "job-2")


def test_a_stopped_and_a_cancelled_round_were_killed_and_did_not_break(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    rounds.write_failure(store, ticket, "filter", RoundStopped("alarm entropy: fell"))
    leave(store, ticket, "generate")
    leave(store, ticket, "verify")
    finish(ticket.job, NAME, settings)
    assert run_of(store)["state"] == "KILLED"
    opened(settings, "job-2")
    cancel(settings, NAME, "wrong recipe")
    assert (run_of(store, 2)["state"], run_of(store, 2)["tags"][tracking.REASON]) == (
        "KILLED",
        "cancelled: wrong recipe",
    )


def test_the_round_that_the_next_begin_closes_has_its_run_ended(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    lease.Lease(store.sub(rounds.loop_prefix(NAME)), ticket.job, ticket.epoch, 60).release()
    assert opened(settings, "job-2", OTHER_RECIPE).number == 2
    assert (run_of(store, 1)["state"], run_of(store, 2)["state"]) == ("FAILED", "RUNNING")
    assert "closed by the next begin" in run_of(store, 1)["tags"][tracking.REASON]


def test_an_end_that_the_registry_missed_is_told_it_by_the_next_begin(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    leave_all(store, ticket, "REFUSED")
    end = finish(ticket.job, NAME, settings)
    registry = StoreRegistry(store)
    # As it is when finish was killed, or the registry away, after the end was written.
    registry.open_run(NAME, {LOOP: NAME, ROUND: "1"})
    known = tracking.read(store, NAME, 1)
    assert known is not None
    store.put(
        f"{rounds.round_prefix(NAME, 1)}/tracking.json",
        known.model_copy(update={"said": None}).model_dump_json().encode(),
    )
    opened(settings, "job-2")
    assert (run_of(store, 1)["state"], run_of(store, 1)["tags"][tracking.STATE]) == ("FINISHED", end.state)


def test_a_begin_that_opens_no_round_tells_finish_why(settings: Settings, store: Store) -> None:
    opened(settings)
    with pytest.raises(LeaseHeld):
        opened(settings, "job-2")
    with pytest.raises(RecipeError):
        opened(settings, "job-3", recipe="{name: x, trian: {}}")
    assert finish("job-2", NAME, settings).reason.startswith("begin: LeaseHeld: ")
    end = finish("job-3", NAME, settings)
    assert (end.state, end.job) == ("FAILED", "job-3")
    assert "trian: unknown key" in end.reason
    assert rounds.read_end(store, NAME, 1) is None


def test_what_an_earlier_try_of_begin_said_is_forgotten(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    with pytest.raises(LeaseHeld):
        opened(settings, "job-2")
    leave_all(store, ticket)
    finish(ticket.job, NAME, settings)
    assert opened(settings, "job-2").number == 2
    assert finish("job-2", NAME, settings).reason.startswith("generate: it left no manifest")


@pytest.fixture
def away() -> Iterator[str]:
    """An address where no server answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_registry_that_is_away_at_the_end_does_not_hide_it(
    settings: Settings, store: Store, away: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ticket = opened(settings)
    leave(store, ticket, "generate")
    place = f"{rounds.round_prefix(NAME, 1)}/tracking.json"
    store.put(place, tracking.Tracked(run="abc", registry=away).model_dump_json().encode())
    end = finish(ticket.job, NAME, settings.model_copy(update={"registry": away}))
    assert (end, end.state) == (rounds.read_end(store, NAME, 1), "FAILED")
    assert "the run of round 1 was not ended as FAILED: RegistryUnavailable" in capsys.readouterr().err
    held = lease.read(store.sub(rounds.loop_prefix(NAME)))
    assert held is not None
    assert held.released


def test_a_run_that_cannot_be_opened_does_not_stop_begin(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> str:
        raise OSError("no room")

    with monkeypatch.context() as broken:
        broken.setattr(StoreRegistry, "open_run", refuse)
        ticket = opened(settings)
    assert "the run of round 1 was not opened: OSError: no room" in capsys.readouterr().err
    leave_all(store, ticket)
    assert finish(ticket.job, NAME, settings).state == "REFUSED"


@pytest.fixture(params=["store", pytest.param("mlflow", marks=pytest.mark.slow)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    if request.param == "store":
        root = str(tmp_path / "registry")
        return open_registry(Settings(root=root, registry="store"), open_store(root))
    return MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db")


TAGS = {LOOP: "mine", ROUND: "7"}
# MLflow's own use of SQLAlchemy is not ours to mend.
of_sqlalchemy = pytest.mark.filterwarnings("ignore")


@of_sqlalchemy
def test_a_run_is_opened_once_and_its_last_end_stands(registry: Registry) -> None:
    run = registry.open_run("mine", TAGS)
    assert registry.open_run("mine", TAGS) == run
    other = registry.open_run("mine", TAGS | {ROUND: "8"})
    assert [one.round for one in registry.running("mine")] == [7, 8]
    registry.log_run(run, {"train/seconds": 2.0})
    registry.end_run(run, "FAILED", {"ratchet.reason": "x" * 9000})
    registry.end_run(run, "FINISHED", {"ratchet.reason": "done"})
    assert [(one.run, one.round) for one in registry.running("mine")] == [(other, 8)]
    assert registry.open_run("mine", TAGS) == run
    assert [one.round for one in registry.running("mine")] == [7, 8]
    assert registry.running("nobody") == []


@of_sqlalchemy
@pytest.mark.slow
def test_a_version_belongs_to_the_run_of_its_round(tmp_path: Path) -> None:
    registry = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db")
    client = registry._client
    run = registry.open_run("mine", TAGS)
    registry.register("mine", "s3://b/x", "1" * 64, Lineage(tags=TAGS, params={"a": "b"}, run=run))
    assert client.get_model_version("mine", "1").run_id == run
    found = client.get_run(run)
    assert (found.info.status, found.data.params["a"], found.data.tags[DIGEST]) == ("RUNNING", "b", "1" * 64)
    # A person deleted it in MLflow's pages: the version gets one of its own.
    client.delete_run(run)
    registry.register("mine", "s3://b/y", "2" * 64, Lineage(tags=TAGS, run=run))
    other = client.get_run(client.get_model_version("mine", "2").run_id)
    assert (other.info.run_id != run, other.info.status) == (True, "FINISHED")


@of_sqlalchemy
@pytest.mark.slow
def test_of_a_tasks_run_the_pipelines_is_the_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db")
    client = registry._client
    experiment = client.create_experiment("kfp")
    whole = client.create_run(experiment).info.run_id
    task = client.create_run(experiment, tags={"mlflow.parentRunId": whole}).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", task)
    assert registry.open_run("mine", TAGS) == registry.given_run() == whole
    registry.register("mine", "s3://b/x", "1" * 64, Lineage(tags=TAGS, run=whole))
    assert client.get_model_version("mine", "1").run_id == whole
    registry.end_run(whole, "FAILED", {"ratchet.state": "FAILED"})
    assert client.get_run(whole).info.status == "FAILED"
    assert registry.open_run("mine", TAGS) == whole
    assert client.get_run(whole).info.status == "RUNNING"
