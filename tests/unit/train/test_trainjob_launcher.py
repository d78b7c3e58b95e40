"""A training as a TrainJob: made, adopted, left and deleted, on a fake cluster whose nodes are real processes."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from ratchet.errors import LeaseLost, TrainError
from ratchet.launching.trainjob import TrainJobConfig
from ratchet.registry import lease as leases
from ratchet.train.launchers.trainjob import jobs as job_module
from ratchet.train.launchers.trainjob.launcher import launch
from ratchet.train.launchers.trainjob.manifest import HOLDER
from tests.e2e.rounds import kill_group, wait
from tests.fake_cluster import NAMESPACE, POD, WORKFLOW, needs_crds
from tests.unit.train.trainjobs import MODEL, Trial, ends_when, fork_until, later, launcher, record, until

pytestmark = [needs_crds, pytest.mark.timeout(300)]


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


def test_a_component_that_is_killed_leaves_its_job_to_the_next_which_adopts_it(run: Trial) -> None:
    kill_group(fork_until(run, run.running))
    before, pods = run.job(), run.pods()
    assert before is not None
    ends_when(run, lambda: "adopted TrainJob" in run.notes())
    assert launch(run.context).model == MODEL
    assert run.made() == 1
    assert run.trainer.started == 2 == len(pods)


def test_a_component_that_is_cancelled_deletes_its_job(run: Trial) -> None:
    pid = fork_until(run, run.running)
    os.kill(pid, signal.SIGTERM)
    assert wait(pid) == 1
    assert run.context.store.stat(record(run)) is None
    until(lambda: run.job() is None and not run.pods())
    assert all(node.ended.is_set() for node in run.trainer.nodes.values())


def test_a_component_whose_pod_is_taken_away_leaves_its_job(run: Trial) -> None:
    pid = fork_until(run, run.running)
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
    pid = fork_until(run, run.running)
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
    child_pid = fork_until(run, run.running)
    os.kill(child_pid, signal.SIGTERM)
    wait(child_pid)
    run.end()
    assert launch(run.context).model == MODEL
    assert run.made() == 2


def test_a_job_that_failed_is_made_anew(run: Trial) -> None:
    kill_group(fork_until(run, run.running))
    run.trainer.end(run.pods()[0]["metadata"]["name"], "Error")
    until(lambda: "Failed" in {c["type"] for c in (run.job() or {}).get("status", {}).get("conditions", ())})
    run.end()
    assert launch(run.context).model == MODEL
    assert run.made() == 2


def test_a_job_that_ended_while_nobody_looked_gives_its_result(run: Trial) -> None:
    kill_group(fork_until(run, run.running))
    run.end()
    until(lambda: "Complete" in {c["type"] for c in (run.job() or {}).get("status", {}).get("conditions", ())})
    assert launch(run.context).model == MODEL
    assert run.made() == 1


def test_a_job_of_another_spec_is_not_touched(run: Trial) -> None:
    kill_group(fork_until(run, run.running))
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
