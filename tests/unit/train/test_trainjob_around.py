"""What stands around a TrainJob: rights, the cluster's version, begin that asks first, and finish that clears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet.begin import BeginOptions, begin
from ratchet.errors import PreflightFailed, TrainError
from ratchet.finish import finish
from ratchet.launching.trainjob import TrainJobConfig
from ratchet.rounds import Ticket, write_run
from ratchet.settings import Settings
from ratchet.train.launchers.trainjob import leftover, preflight
from ratchet.train.launchers.trainjob.launcher import launch
from ratchet.train.launchers.trainjob.manifest import HOLDER
from ratchet.train.orders import order_of
from tests.e2e.rounds import kill_group
from tests.fake_cluster import NAMESPACE, needs_crds
from tests.unit.train.trainjobs import Trial, fork_until, later, launcher, record, until

pytestmark = [needs_crds, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("resource", "said"),
    [("trainjobs", "let this run not create"), ("pods", "let this run not read its own pod")],
)
def test_a_run_without_rights_names_the_role(run: Trial, resource: str, said: str) -> None:
    assert run.cluster.roles is not None
    rules = [rule for rule in run.cluster.roles[0]["rules"] if resource not in rule["resources"]]
    run.cluster.roles = [{"rules": rules}]
    with pytest.raises(TrainError, match=rf"{said}.*manifests/components/trainjob"):
        launch(run.context)


def test_no_right_is_given_that_is_not_needed(run: Trial) -> None:
    run.with_job(queue="team-a")
    kill_group(fork_until(run, lambda: run.job() is not None))
    later(lambda: (until(lambda: "adopted" in run.notes()), run.suspend(False)))
    run.end()
    launch(run.context)
    assert run.cluster.roles is not None
    given = {(v, r) for rule in run.cluster.roles[0]["rules"] for r in rule["resources"] for v in rule["verbs"]}
    # Events are read where a job has no pod.
    assert given - {*run.cluster.requests} <= {("list", "events")}


def test_a_cluster_without_trainer_is_told_as_that(run: Trial) -> None:
    run.cluster._kinds = {key: kind for key, kind in run.cluster._kinds.items() if kind.plural != "trainjobs"}
    with pytest.raises(TrainError, match=r"Install Kubeflow Trainer 2\.2 or later"):
        launch(run.context)


def test_an_older_trainer_is_refused_before_it_drops_what_it_does_not_know(run: Trial) -> None:
    schema = run.cluster.kind("trainjobs").schema
    assert schema is not None
    structural: Any = schema._structural
    spec = structural["properties"]["spec"]["properties"]
    patches = spec.pop("runtimePatches")
    try:
        with pytest.raises(TrainError, match=r"unknown field .*runtimePatches.* is older than 2\.2"):
            launch(run.context)
    finally:
        spec["runtimePatches"] = patches


def test_outside_of_a_cluster_a_kubeconfig_is_needed(
    run: Trial, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(TrainError, match="needs a cluster: this process has neither"):
        launch(run.context)


def before(run: Trial, root: str = "s3://bucket/root", **job: Any) -> None:
    config = TrainJobConfig.model_validate({"image": "registry.example/training:1", **job})
    preflight.check(launcher(config), "mine", Settings(root=root, registry="store"))


def test_a_round_begins_where_the_cluster_would_take_its_job(run: Trial) -> None:
    before(run, queue="team-a", gpus=1)
    assert run.made() == 0
    assert run.cluster.requests == [("create", "trainjobs")]


def test_a_round_does_not_begin_where_the_cluster_would_not_take_its_job(run: Trial) -> None:
    with pytest.raises(TrainError, match=r"is the folder /data, which a TrainJob's pods on other machines do not have"):
        before(run, root="/data")
    with pytest.raises(TrainError, match=r"HTTP 422.* Change launcher\.trainjob"):
        before(run, environment={f"V{n}": "" for n in range(129)})
    run.cluster.roles = []
    with pytest.raises(TrainError, match=r"not create a TrainJob.*manifests/components/trainjob"):
        before(run)


def test_begin_asks_the_cluster_of_a_profile_that_trains_there(run: Trial) -> None:
    profile = "{launcher: {kind: trainjob, trainjob: {image: registry.example/training:1}}}"
    settings = Settings(root=str(run.folder / "store"), registry="store")
    with pytest.raises(PreflightFailed, match="which a TrainJob's pods on other machines do not have"):
        begin("job-1", BeginOptions(loop="mine", recipe="rft", profile=profile), settings)


def run_of(run: Trial) -> Ticket:
    ticket = order_of(run.context).ticket
    write_run(run.context.store, ticket)
    return ticket


def test_the_exit_task_deletes_the_job_that_a_killed_step_has_left(
    run: Trial, capfd: pytest.CaptureFixture[str]
) -> None:
    ticket, settings = run_of(run), Settings(root=run.context.store.root, registry="store")
    kill_group(fork_until(run, run.running))
    assert finish(ticket.job, "mine", settings).state == "FAILED"
    until(lambda: run.job() is None and not run.pods())
    assert f"TrainJob {run.name} was left and is deleted" in capfd.readouterr().err
    assert run.context.store.stat(record(run)) is None


def test_the_exit_task_leaves_the_job_that_another_run_has_adopted(run: Trial) -> None:
    kill_group(fork_until(run, run.running))
    state, kind = run.cluster.state, run.cluster.kind("trainjobs")
    state.update(kind, NAMESPACE, run.name, lambda job: job["metadata"]["annotations"].update({HOLDER: "job-2/2"}))
    leftover.clean(run.context.store, run.context.round.prefix, "job-1")
    assert run.running()
    assert leftover.clean(run.context.store, run.context.round.prefix, "job-2") is None
    assert run.running()


def test_the_exit_task_ends_a_round_whose_job_it_cannot_delete(run: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket, settings = run_of(run), Settings(root=run.context.store.root, registry="store")
    kill_group(fork_until(run, run.running))
    monkeypatch.setattr(leftover, "AWAY_SECONDS", 0.1)
    run.cluster.stop()
    assert finish(ticket.job, "mine", settings).state == "FAILED"
    run.cluster.start()
    assert run.context.store.stat(record(run)) is not None
