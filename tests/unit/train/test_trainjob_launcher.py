"""A training as a TrainJob: made, adopted, watched, deleted, on a fake cluster whose nodes are real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratchet.begin import BeginOptions, begin
from ratchet.errors import LeaseLost, ModelError, TrainError
from ratchet.finish import finish
from ratchet.launching.trainjob import RECORD, TrainJobConfig
from ratchet.registry import lease as leases
from ratchet.rounds import Ticket, write_run
from ratchet.services.fake_kubernetes.state import now
from ratchet.settings import Settings
from ratchet.train.launchers.trainjob import following, leftover, preflight
from ratchet.train.launchers.trainjob import jobs as job_module
from ratchet.train.launchers.trainjob import launcher as launching
from ratchet.train.launchers.trainjob.launcher import launch
from ratchet.train.launchers.trainjob.manifest import ATTEMPT, HOLDER
from ratchet.train.orders import order_of
from tests.e2e.rounds import fork, kill_group, wait
from tests.fake_cluster import NAMESPACE, POD, WORKFLOW, WORKLOAD, cluster, needs_crds
from tests.unit.train.trainjobs import MODEL, Trial, later, launcher, trial, until

pytestmark = [needs_crds, pytest.mark.timeout(60)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.setattr(launching, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(job_module, "GONE_SECONDS", 10.0)
    monkeypatch.setattr(following, "LAST_SECONDS", 0.5)
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "0.3")
    with cluster(tmp_path, monkeypatch) as fake, trial(tmp_path, fake) as made:
        yield made


def ends_when(run: Trial, ready: Any, **end: Any) -> None:
    def work() -> None:
        until(ready)
        run.end(**end)

    later(work)


def test_a_training_ends_with_its_model_and_without_its_job(run: Trial, capfd: pytest.CaptureFixture[str]) -> None:
    ends_when(run, run.running)
    outcome = launch(run.context)
    assert (outcome.model, outcome.report.steps, run.context.seconds) == (MODEL, 1, {"train": 2.0})
    until(lambda: run.job() is None and not run.pods())
    assert run.trainer.started == 2
    assert "node 0: train 1/3 steps loss 0" in capfd.readouterr().err
    assert (1, 3, "steps", "loss 0") in run.told
    assert run.context.store.stat(record(run)) is None


def test_the_job_is_the_runs_and_says_whose_stage_it_is(run: Trial) -> None:
    seen: list[Any] = []
    ends_when(run, lambda: run.running() and (seen.append(run.job()) or True))
    launch(run.context)
    metadata = seen[0]["metadata"]
    workflow = run.cluster.state.get(WORKFLOW, NAMESPACE, "ratchet-round")
    assert [owner["uid"] for owner in metadata["ownerReferences"]] == [workflow["metadata"]["uid"]]
    assert metadata["annotations"][HOLDER] == "job-1/1"


def test_deleting_the_run_deletes_its_job(run: Trial) -> None:
    def gone() -> None:
        until(run.running)
        run.cluster.state.delete(WORKFLOW, NAMESPACE, "ratchet-round")

    later(gone)
    with pytest.raises(TrainError, match="its owner is gone"):
        launch(run.context)
    until(lambda: not run.pods())


def test_a_training_that_is_finished_is_not_done_again(run: Trial) -> None:
    run.end()
    launch(run.context)
    run.cluster.stop()
    assert launch(run.context).model == MODEL


def child(run: Trial) -> int:
    """A component in a process of its own; it has ended when the child has."""
    pid = fork(lambda: launch(run.context))
    until(run.running)
    return pid


def test_a_component_that_is_killed_leaves_its_job_to_the_next_which_adopts_it(run: Trial) -> None:
    kill_group(child(run))
    before, pods = run.job(), run.pods()
    assert before is not None
    ends_when(run, lambda: "adopted TrainJob" in run.notes())
    assert launch(run.context).model == MODEL
    assert run.made() == 1
    assert run.trainer.started == 2 == len(pods)


def test_a_component_that_is_cancelled_deletes_its_job(run: Trial) -> None:
    pid = child(run)
    os.kill(pid, signal.SIGTERM)
    assert wait(pid) == 1
    assert run.context.store.stat(record(run)) is None
    until(lambda: run.job() is None and not run.pods())
    assert all(node.ended.is_set() for node in run.trainer.nodes.values())


def test_a_component_whose_pod_is_taken_away_leaves_its_job(run: Trial) -> None:
    pid = child(run)
    marked = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}
    run.cluster.state.update(
        run.cluster.kind("pods"), NAMESPACE, POD, lambda pod: {**pod, "status": {"conditions": [marked]}}
    )
    os.kill(pid, signal.SIGTERM)
    wait(pid)
    assert run.running()
    run.end()
    assert launch(run.context).model == MODEL
    assert run.made() == 1


def test_a_run_that_takes_the_round_up_again_adopts_the_job_and_owns_it_too(run: Trial) -> None:
    pid = child(run)
    kill_group(pid)
    state = run.cluster.state
    other = state.create(WORKFLOW, NAMESPACE, {"metadata": {"name": "ratchet-round-2"}})["metadata"]["uid"]
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "ratchet-round-2", "uid": other}
    state.update(
        run.cluster.kind("pods"),
        NAMESPACE,
        POD,
        lambda pod: {**pod, "metadata": {**pod["metadata"], "ownerReferences": [{**owner, "controller": True}]}},
    )
    lease = run.context.lease
    assert lease is not None
    lease.release()
    run.context = replace(run.context, lease=leases.acquire(lease.store, "job-2", 600))
    ends_when(run, lambda: "adopted" in run.notes() and state.delete(WORKFLOW, NAMESPACE, "ratchet-round"))
    assert launch(run.context).model == MODEL
    assert run.made() == 1


def test_who_lost_the_job_to_another_run_does_not_delete_it(run: Trial) -> None:
    def take() -> None:
        until(run.running)
        state, kind = run.cluster.state, run.cluster.kind("trainjobs")
        state.update(kind, NAMESPACE, run.name, lambda job: job["metadata"]["annotations"].update({HOLDER: "job-2/2"}))
        lease = run.context.lease
        assert lease is not None
        lease.release()
        leases.acquire(lease.store, "job-2", 600)

    later(take)
    with pytest.raises(LeaseLost):
        launch(run.context)
    assert run.running()


def test_who_lost_the_loop_ends_the_job_that_nobody_took(run: Trial) -> None:
    def take() -> None:
        until(run.running)
        lease = run.context.lease
        assert lease is not None
        lease.release()
        leases.acquire(lease.store, "job-2", 600)

    later(take)
    with pytest.raises(LeaseLost):
        launch(run.context)
    until(lambda: run.job() is None)


def test_an_api_server_that_is_away_for_a_while_is_waited_for(run: Trial) -> None:
    def away() -> None:
        until(run.running)
        run.cluster.stop()
        until(lambda: "the Kubernetes API does not answer" in run.notes())
        run.end()
        run.cluster.start()

    later(away)
    assert launch(run.context).model == MODEL
    assert run.made() == 1


def test_an_api_server_that_stays_away_leaves_the_job_to_the_next_try(
    run: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "AWAY_SECONDS", 0.5)
    later(lambda: (until(run.running), run.cluster.stop()))
    with pytest.raises(TrainError, match="run the stage again, which adopts it"):
        launch(run.context)
    run.cluster.start()
    run.end()
    assert launch(run.context).model == MODEL
    assert run.made() == 1


@pytest.mark.parametrize(
    ("verb", "code"), [("get", 500), ("list", 503), ("create", 429), ("create", 500), ("delete", 500)]
)
def test_errors_that_pass_are_no_end(run: Trial, verb: str, code: int) -> None:
    run.cluster.refuse(verb, code, times=3)
    run.end()
    assert launch(run.context).model == MODEL
    until(lambda: run.job() is None)


def test_a_job_that_is_being_deleted_is_waited_for(run: Trial) -> None:
    child_pid = child(run)
    os.kill(child_pid, signal.SIGTERM)
    wait(child_pid)
    run.end()
    assert launch(run.context).model == MODEL
    assert run.made() == 2


def test_a_job_that_failed_is_made_anew(run: Trial) -> None:
    kill_group(child(run))
    run.trainer.end(run.pods()[0]["metadata"]["name"], "Error")
    until(lambda: "Failed" in {c["type"] for c in (run.job() or {}).get("status", {}).get("conditions", ())})
    run.end()
    assert launch(run.context).model == MODEL
    assert run.made() == 2


def test_a_job_that_ended_while_nobody_looked_gives_its_result(run: Trial) -> None:
    kill_group(child(run))
    run.end()
    until(lambda: "Complete" in {c["type"] for c in (run.job() or {}).get("status", {}).get("conditions", ())})
    assert launch(run.context).model == MODEL
    assert run.made() == 1


def test_a_job_of_another_spec_is_not_touched(run: Trial) -> None:
    kill_group(child(run))
    run.context = replace(run.context, launcher=launcher(TrainJobConfig(image="registry.example/training:1"), nodes=4))
    with pytest.raises(TrainError, match=r"spec\.trainer\.numNodes is 2, wanted 4"):
        launch(run.context)
    assert run.running()


def test_a_job_of_that_name_that_is_nobodys_is_not_touched(run: Trial) -> None:
    kind = run.cluster.kind("trainjobs")
    strange = {"metadata": {"name": run.name}, "spec": {"runtimeRef": {"name": "x"}, "suspend": True}}
    run.cluster.state.create(kind, NAMESPACE, strange)
    with pytest.raises(TrainError, match="is not this stage's"):
        launch(run.context)
    assert run.job() is not None


def test_a_success_without_a_result_is_an_error(run: Trial) -> None:
    run.end(result=False)
    with pytest.raises(TrainError, match=r"left no training\.json"):
        launch(run.context)
    until(lambda: run.job() is None)


def test_the_workers_own_words_come_first(run: Trial) -> None:
    ends_when(run, run.running, code=7, rank=1, says="the seed is no model", error="ModelError")
    with pytest.raises(ModelError, match="the seed is no model") as raised:
        launch(run.context)
    assert run.context.store.stat(record(run)) is None
    assert "raised in rank 1" in "".join(raised.value.__notes__)
    until(lambda: run.job() is None)


def test_a_node_that_ends_badly_is_told_with_the_end_of_the_log(run: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "hunter22")
    ends_when(run, run.running, code=3)
    with pytest.raises(TrainError, match=r"node 0 ended with exit code 3") as raised:
        launch(run.context)
    assert "the last words, password ***" in str(raised.value)


def test_a_node_without_memory_is_told_as_that(run: Trial) -> None:
    later(lambda: (until(run.running), run.trainer.end(run.pods()[1]["metadata"]["name"], "OOMKilled")))
    with pytest.raises(
        TrainError, match=r"node 1 .* was out of memory \(16Gi; OOMKilled\)\. Raise launcher\.trainjob\.memory"
    ):
        launch(run.context)


def test_a_node_that_is_taken_away_is_told_as_that(run: Trial) -> None:
    def take() -> None:
        until(run.running)
        run.trainer.disrupt(
            run.pods()[1]["metadata"]["name"], "PreemptionByScheduler", "preempted by a pod of more priority"
        )

    later(take)
    with pytest.raises(TrainError, match=r"node 1 .* was taken away: PreemptionByScheduler preempted by"):
        launch(run.context)


def test_a_job_that_somebody_deletes_is_told_as_that(run: Trial) -> None:
    def delete() -> None:
        until(run.running)
        run.cluster.state.delete(
            run.cluster.kind("trainjobs"), NAMESPACE, run.name, {"propagationPolicy": "Foreground"}
        )

    later(delete)
    with pytest.raises(TrainError, match="was deleted while it was at work"):
        launch(run.context)


def test_a_job_that_runs_too_long_is_told_as_that(run: Trial) -> None:
    run.with_job(hours=0.5)
    said = {
        "type": "Failed",
        "status": "True",
        "reason": "DeadlineExceeded",
        "message": "",
        "lastTransitionTime": now(),
    }

    def stop() -> None:
        until(run.running)
        run.cluster.state.update(
            run.cluster.kind("trainjobs"),
            NAMESPACE,
            run.name,
            lambda j: {**j, "status": {"conditions": [said]}},
            status=True,
        )

    later(stop)
    with pytest.raises(TrainError, match=r"ran longer than launcher\.trainjob\.hours \(0\.5\)"):
        launch(run.context)


def test_a_job_in_a_queue_waits_and_says_why(run: Trial) -> None:
    run.with_job(queue="team-a")

    def admit() -> None:
        until(lambda: "Kueue has made no Workload" in run.notes())
        job = run.job()
        assert job is not None
        reserved = {
            "type": "QuotaReserved",
            "status": "False",
            "reason": "Pending",
            "message": "4 GPUs more are needed",
        }
        workload = {
            "metadata": {"name": "w", "labels": {"kueue.x-k8s.io/job-uid": job["metadata"]["uid"]}},
            "status": {"conditions": [reserved]},
        }
        run.cluster.state.create(WORKLOAD, NAMESPACE, workload)
        until(lambda: "waits in queue team-a: Pending: 4 GPUs more are needed" in run.notes())
        assert run.trainer.started == 0
        run.suspend(False)
        run.end()

    later(admit)
    assert launch(run.context).model == MODEL


def test_a_queue_is_left_after_its_time(run: Trial) -> None:
    run.with_job(queue="team-a", queue_hours=0.0001)
    with pytest.raises(TrainError, match=r"in queue team-a, longer than launcher\.trainjob\.queue_hours \(0\.0001\)"):
        launch(run.context)
    until(lambda: run.job() is None)


@pytest.mark.parametrize(
    ("reason", "message", "said"),
    [
        (
            "Unschedulable",
            "0/3 nodes have nvidia.com/gpu",
            r"0 of 2 nodes run: Unschedulable: 0/3 nodes have nvidia\.com/gpu",
        ),
        ("ImagePullBackOff", "not found", "0 of 2 nodes run: ImagePullBackOff: not found"),
        ("CreateContainerConfigError", 'secret "s3" not found', "CreateContainerConfigError: secret"),
    ],
)
def test_pods_that_do_not_start_are_told_and_given_up(run: Trial, reason: str, message: str, said: str) -> None:
    run.trainer.waiting = {"reason": reason, "message": message}
    run.with_job(start_minutes=1.5 / 60)
    with pytest.raises(TrainError, match=rf"does not start .*{said}"):
        launch(run.context)
    assert f"{reason}: {message}" in run.notes()
    until(lambda: run.job() is None)


def test_an_image_whose_name_is_none_is_given_up_at_once(run: Trial) -> None:
    run.trainer.waiting = {"reason": "InvalidImageName", "message": "couldn't parse image name"}
    with pytest.raises(TrainError, match="cannot start: InvalidImageName"):
        launch(run.context)


def test_a_final_error_does_not_wait_for_the_runtimes_restarts(run: Trial) -> None:
    """A runtime may start the container again, up to six times, although the worker has said what is wrong."""

    def restarted() -> None:
        until(run.running)
        job = run.job()
        assert job is not None
        attempt = job["metadata"]["annotations"][ATTEMPT]
        folder = run.folder / "store" / run.context.prefix / "training" / "failures" / attempt
        folder.mkdir(parents=True)
        (folder / "0000.json").write_text(
            '{"rank": 0, "error": "TrainError", "message": "the loss is nan", "time": 1.0}'
        )
        last = {"terminated": {"exitCode": 7, "reason": "Error"}}
        status = [{"name": "node", "state": {"running": {}}, "lastState": last, "restartCount": 1}]
        pod = run.pods()[0]["metadata"]["name"]
        run.cluster.state.update(
            run.cluster.kind("pods"),
            NAMESPACE,
            pod,
            lambda p: {**p, "status": {**p["status"], "containerStatuses": status}},
        )

    later(restarted)
    with pytest.raises(TrainError, match="the loss is nan"):
        launch(run.context)
    until(lambda: run.job() is None)


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


def fork_until(run: Trial, true: Any) -> int:
    pid = fork(lambda: launch(run.context))
    until(true)
    return pid


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
    with pytest.raises(TrainError, match="which a TrainJob's pods on other machines do not have"):
        begin("job-1", BeginOptions(loop="mine", recipe="rft", profile=profile), settings)


def record(run: Trial) -> str:
    return f"{run.context.round.prefix}/{RECORD}"


def run_of(run: Trial) -> Ticket:
    ticket = order_of(run.context).ticket
    write_run(run.context.store, ticket)
    return ticket


def test_the_exit_task_deletes_the_job_that_a_killed_step_has_left(
    run: Trial, capfd: pytest.CaptureFixture[str]
) -> None:
    ticket, settings = run_of(run), Settings(root=run.context.store.root, registry="store")
    kill_group(child(run))
    assert finish(ticket.job, "mine", settings).state == "FAILED"
    until(lambda: run.job() is None and not run.pods())
    assert f"TrainJob {run.name} was left and is deleted" in capfd.readouterr().err
    assert run.context.store.stat(record(run)) is None


def test_the_exit_task_leaves_the_job_that_another_run_has_adopted(run: Trial) -> None:
    kill_group(child(run))
    state, kind = run.cluster.state, run.cluster.kind("trainjobs")
    state.update(kind, NAMESPACE, run.name, lambda job: job["metadata"]["annotations"].update({HOLDER: "job-2/2"}))
    leftover.clean(run.context.store, run.context.round.prefix, "job-1")
    assert run.running()
    assert leftover.clean(run.context.store, run.context.round.prefix, "job-2") is None
    assert run.running()


def test_the_exit_task_ends_a_round_whose_job_it_cannot_delete(run: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket, settings = run_of(run), Settings(root=run.context.store.root, registry="store")
    kill_group(child(run))
    monkeypatch.setattr(leftover, "AWAY_SECONDS", 0.1)
    run.cluster.stop()
    assert finish(ticket.job, "mine", settings).state == "FAILED"
    run.cluster.start()
    assert run.context.store.stat(record(run)) is not None
