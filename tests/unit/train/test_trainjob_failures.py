"""A TrainJob that fails, waits or never starts, and what is said of it."""

from __future__ import annotations

import time

import pytest

from ratchet.errors import ModelError, TrainError
from ratchet.services.fake_kubernetes.state import now
from ratchet.train.launchers.trainjob import watching
from ratchet.train.launchers.trainjob.launcher import launch
from ratchet.train.launchers.trainjob.manifest import ATTEMPT
from tests.fake_cluster import NAMESPACE, WORKLOAD, needs_crds
from tests.unit.train.trainjobs import MODEL, Trial, ends_when, later, record, until

pytestmark = [needs_crds, pytest.mark.timeout(300)]


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


class Impatient:
    """A clock on which an hour passes when the words are told, in place of one that passes while they are waited for."""

    sleep = staticmethod(time.sleep)

    def __init__(self, run: Trial, words: str) -> None:
        self._run, self._words = run, words

    def time(self) -> float:
        return time.time() + 3600 * (self._words in self._run.notes())


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
def test_pods_that_do_not_start_are_told_and_given_up(
    run: Trial, reason: str, message: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.trainer.waiting = {"reason": reason, "message": message}
    run.with_job(start_minutes=30)
    monkeypatch.setattr(watching, "time", Impatient(run, f"{reason}: {message}"))
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
