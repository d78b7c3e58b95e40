"""How a TrainJob stands, from the API's JSON alone."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.train.launchers.trainjob.looking import (
    Look,
    Termination,
    ended,
    first_pod,
    hopeless,
    look,
    node_of,
    terminations,
)


def job(*conditions: tuple[str, str], suspend: bool = False, nodes: int = 2) -> dict[str, Any]:
    said = [{"type": kind, "status": status, "reason": f"{kind}Reason", "message": "m"} for kind, status in conditions]
    return {"spec": {"suspend": suspend, "trainer": {"numNodes": nodes}}, "status": {"conditions": said}}


def pod(node: int = 0, phase: str = "Running", name: str = "", created: str = "1", **status: Any) -> dict[str, Any]:
    labels = {"batch.kubernetes.io/job-completion-index": str(node)}
    metadata = {"name": name or f"p{node}", "labels": labels, "creationTimestamp": created}
    return {"metadata": metadata, "status": {"phase": phase, **status}}


def container(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "node", **state}]


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.parametrize(
    ("conditions", "how"),
    [
        ((), None),
        ((("Suspended", "True"),), None),
        ((("Complete", "True"),), "Complete"),
        ((("Complete", "False"), ("Failed", "True")), "Failed"),
        ((("Complete", "True"), ("Failed", "True")), "Failed"),
    ],
)
def test_only_a_condition_that_is_true_ends_a_job(conditions: tuple[tuple[str, str], ...], how: str | None) -> None:
    assert ended(job(*conditions)) == how


def test_a_job_that_ended_says_why() -> None:
    assert look(job(("Failed", "True")), []) == Look("failed", "m", "FailedReason")
    assert look(job(("Complete", "True"), suspend=True), []) == Look("complete", "m", "CompleteReason")


@pytest.mark.parametrize(
    ("conditions", "note"),
    [
        ([("QuotaReserved", "False", "Pending", "no GPU")], "Pending: no GPU"),
        ([("QuotaReserved", "True", "x", "y"), ("Admitted", "True", "x", "y")], "admitted, about to start"),
        (
            [("QuotaReserved", "False", "Pending", "no GPU"), ("Evicted", "True", "Preempted", "by w2")],
            "Preempted: by w2",
        ),
        ([("Evicted", "False", "x", "y"), ("Admitted", "False", "NoChecks", "wait")], "NoChecks: wait"),
        ([], "not looked at yet"),
    ],
)
def test_a_suspended_job_is_queued_and_kueue_says_why(conditions: list[tuple[str, ...]], note: str) -> None:
    names = ("type", "status", "reason", "message")
    workload = {"status": {"conditions": [dict(zip(names, one, strict=True)) for one in conditions]}}
    assert look(job(suspend=True), [], [workload]) == Look("queued", note)


def test_a_job_runs_when_all_its_nodes_do() -> None:
    assert look(job(), [pod(0), pod(1, "Succeeded")]).phase == "running"
    assert look(job(), [pod(0), pod(1, "Pending")]) == Look("starting", "1 of 2 nodes run")
    crashing = pod(1, containerStatuses=container(**waiting("CrashLoopBackOff", "back-off 10s")))
    assert look(job(), [pod(0), crashing]) == Look("starting", "1 of 2 nodes run: CrashLoopBackOff: back-off 10s")


def test_a_job_without_pods_says_what_its_events_do() -> None:
    events = [{"type": "Normal", "message": "created"}, {"type": "Warning", "message": "exceeded quota: gpus"}]
    assert look(job(), []).note == "0 of 2 nodes run: no pod yet"
    assert look(job(), [], events=events).note == "0 of 2 nodes run: exceeded quota: gpus"


def test_pods_that_wait_for_the_same_are_told_once() -> None:
    placed = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}
    pods = [pod(n, "Pending", conditions=[placed]) for n in range(2)]
    assert look(job(), pods).note == "0 of 2 nodes run: Unschedulable: no node"
    pulling = pod(0, "Pending", containerStatuses=container(**waiting("ContainerCreating")))
    assert look(job(), [pulling]).note == "0 of 2 nodes run"


def test_only_what_no_time_heals_is_hopeless() -> None:
    assert hopeless([pod(containerStatuses=container(**waiting("ImagePullBackOff")))]) is None
    assert hopeless([pod(containerStatuses=container(**waiting("InvalidImageName", "bad")))]) == "InvalidImageName: bad"


def test_the_log_is_that_of_node_0s_newest_pod_that_has_begun() -> None:
    assert first_pod([pod(1), pod(0, "Pending")]) is None
    older, newer = pod(0, "Failed", "older", "2026-01-01T00:00:01Z"), pod(0, "Running", "newer", "2026-01-01T00:00:02Z")
    assert first_pod([newer, older, pod(1)]) == "newer"


def test_a_nodes_number_is_in_its_labels_or_in_older_clusters_its_annotations() -> None:
    found = pod(3)
    assert node_of(found) == 3
    found["metadata"]["annotations"] = found["metadata"].pop("labels")
    assert node_of(found) == 3


def test_endings_are_kept_of_restarts_and_of_pods_that_were_taken_away() -> None:
    restarted = pod(
        1,
        containerStatuses=container(
            lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, state={"running": {}}
        ),
    )
    well = pod(0, containerStatuses=container(state={"terminated": {"exitCode": 0, "reason": "Completed"}}))
    evicted = pod(2, "Failed", reason="Evicted", message="low on memory")
    drained = pod(
        3,
        conditions=[
            {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": "gone"}
        ],
    )
    assert terminations([drained, evicted, restarted, well]) == [
        Termination(1, "p1", 137, "OOMKilled", ""),
        Termination(2, "p2", None, "Evicted", "low on memory", lost=True),
        Termination(3, "p3", None, "DeletionByTaintManager", "gone", lost=True),
    ]
