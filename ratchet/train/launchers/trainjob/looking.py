"""From a TrainJob, its pods and its queue to how it stands, in words. Pure: the objects are the API's JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ratchet.train.launchers.trainjob.manifest import NODE

Phase = Literal["queued", "starting", "running", "complete", "failed"]
RANK = "batch.kubernetes.io/job-completion-index"
REPLICATED_JOB = "jobset.sigs.k8s.io/replicatedjob-name"
JOB_SET = "jobset.sigs.k8s.io/jobset-name"
HOPELESS = ("InvalidImageName", "ErrImageNeverPull")
"""Reasons for which a container waits that no time heals."""
Object = Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """How a job stands. `note` says why it is not further, or why it failed (then `reason` is Kubernetes' word)."""

    phase: Phase
    note: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Termination:
    """How a node's container ended: exit `code`, Kubernetes' `reason`, its message; `lost` when the pod was taken away."""

    node: int
    pod: str
    code: int | None
    reason: str
    message: str
    lost: bool = False


def ended(job: Object) -> Literal["Complete", "Failed"] | None:
    """How the job ended, None while it has not."""
    true = {c["type"] for c in job.get("status", {}).get("conditions", ()) if c["status"] == "True"}
    return "Failed" if "Failed" in true else "Complete" if "Complete" in true else None


def condition(of: Object, kind: str) -> Object | None:
    return next((c for c in of.get("status", {}).get("conditions", ()) if c["type"] == kind), None)


def look(job: Object, pods: Sequence[Object], workloads: Sequence[Object] = (), events: Sequence[Object] = ()) -> Look:
    """How the job stands. `workloads` are Kueue's of it, `events` the job's own."""
    how = ended(job)
    if how is not None:
        said = condition(job, how) or {}
        return Look("complete" if how == "Complete" else "failed", said.get("message", ""), said.get("reason", ""))
    if job["spec"].get("suspend"):
        return Look("queued", _queue(workloads))
    wanted = int(job["spec"]["trainer"]["numNodes"])
    running = sum(pod["status"].get("phase") in ("Running", "Succeeded") and not _waits(pod) for pod in pods)
    if running >= wanted:
        return Look("running")
    waiting = "; ".join(sorted({told for pod in pods if (told := _why(pod))}))
    if not pods:
        waiting = next((str(e["message"]) for e in reversed(events) if e.get("type") == "Warning"), "no pod yet")
    return Look("starting", f"{running} of {wanted} nodes run" + (f": {waiting}" if waiting else ""))


def hopeless(pods: Sequence[Object]) -> str | None:
    """Why a pod will never start, None where it may."""
    for pod in pods:
        for status in _containers(pod):
            waiting = status.get("state", {}).get("waiting", {})
            if waiting.get("reason") in HOPELESS:
                return f"{waiting['reason']}: {waiting.get('message', '')}"
    return None


def first_pod(pods: Sequence[Object]) -> str | None:
    """The newest pod of node 0 that has begun, by name: rank 0 writes the log that people read."""
    begun = [
        pod for pod in pods if node_of(pod) == 0 and pod["status"].get("phase") in ("Running", "Succeeded", "Failed")
    ]
    begun.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    return str(begun[-1]["metadata"]["name"]) if begun else None


def node_of(pod: Object) -> int:
    metadata = pod["metadata"]
    return int(metadata.get("labels", {}).get(RANK, metadata.get("annotations", {}).get(RANK, 0)))


def terminations(pods: Sequence[Object]) -> list[Termination]:
    """How containers ended badly, and pods that were taken away, in the nodes' order; those before a restart too."""
    return sorted((one for pod in pods for one in _terminations(pod)), key=lambda one: one.node)


def _terminations(pod: Object) -> Iterator[Termination]:
    node, name, status = node_of(pod), str(pod["metadata"]["name"]), pod["status"]
    lost = condition(pod, "DisruptionTarget")
    if lost is not None and lost["status"] == "True":
        yield Termination(node, name, None, str(lost.get("reason", "")), str(lost.get("message", "")), lost=True)
    elif status.get("reason") in ("Evicted", "NodeLost", "Preempted", "Shutdown", "NodeShutdown", "Terminated"):
        yield Termination(node, name, None, str(status["reason"]), str(status.get("message", "")), lost=True)
    for container in _containers(pod):
        for state in ("lastState", "state"):
            done = container.get(state, {}).get("terminated")
            if done and done.get("exitCode"):
                said = str(done.get("message", ""))
                yield Termination(node, name, int(done["exitCode"]), str(done.get("reason", "")), said)


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def _waits(pod: Object) -> bool:
    """A pod counts as running while a container of it waits to be started again."""
    return any(one["name"] == NODE and "waiting" in one.get("state", {}) for one in _containers(pod))


def _why(pod: Object) -> str:
    """Why a pod does not run, "" where nobody says."""
    placed = condition(pod, "PodScheduled")
    if placed is not None and placed["status"] == "False":
        return f"{placed.get('reason', 'Unschedulable')}: {placed.get('message', '')}"
    for status in _containers(pod):
        waiting = status.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    return ""


def _queue(workloads: Sequence[Object]) -> str:
    """What Kueue says of a job that it holds back."""
    if not workloads:
        return "Kueue has made no Workload for it"
    for kind in ("Evicted", "QuotaReserved", "Admitted"):
        said = condition(workloads[-1], kind)
        if said is not None and (said["status"] == "True") == (kind == "Evicted"):
            return f"{said.get('reason', '')}: {said.get('message', '')}"
    return "admitted, about to start" if condition(workloads[-1], "Admitted") else "not looked at yet"
