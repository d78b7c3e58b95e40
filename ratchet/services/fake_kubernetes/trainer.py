"""Kubeflow Trainer, JobSet and the kubelets in one: runs the TrainJobs of a fake cluster as processes of this machine.

Each node is a process with the environment that the torch runtime gives it; its output is the pod's log. JobSets and Jobs
between a TrainJob and its pods are left out, images and resources are not looked at. Faults are switched on by name.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ratchet.services.fake_kubernetes.kinds import POD, SECRET
from ratchet.services.fake_kubernetes.server import FakeKubernetes
from ratchet.services.fake_kubernetes.state import Object, Refused, now

KUBELET = "fake.kubernetes/kubelet"
LOOK_SECONDS = 0.05
STOP_SECONDS = 3.0
CONTAINER = "node"
_JOB_SET = "jobset.sigs.k8s.io"
_INDEX = "batch.kubernetes.io/job-completion-index"
Command = Callable[[Sequence[str]], Sequence[str]]


@dataclass
class Node:
    """A pod's process and its log."""

    process: subprocess.Popen[bytes]
    lines: list[tuple[str, str]] = field(default_factory=list)
    reason: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            self.lines.append((moment, line.decode(errors="replace").rstrip("\n")))
        self.process.wait()
        self.process.stdout.close()
        self.ended.set()

    def kill(self, number: int = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class FakeTrainer:
    """Use it as a context, inside that of its cluster. `command` may put another program in place of what a job names.

    `waiting` keeps new pods from starting, as {"reason", "message"}: with reason Unschedulable as the scheduler says it, else as
    the kubelet. `started` counts the pods that ever ran.
    """

    def __init__(
        self, cluster: FakeKubernetes, command: Command = list, environment: Mapping[str, str] | None = None
    ) -> None:
        self.cluster, self.command, self.environment = cluster, command, dict(environment or os.environ)
        self.waiting: dict[str, str] | None = None
        self.started = 0
        self.nodes: dict[str, Node] = {}
        self._kind = cluster.kind("trainjobs")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-trainer", daemon=True)
        cluster.log_lines = self._log

    def __enter__(self) -> FakeTrainer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for node in self.nodes.values():
            node.kill()
            node.ended.wait(STOP_SECONDS)

    def pods(self, job: str) -> list[Object]:
        return [
            p for p in self.cluster.state.list(POD) if p["metadata"]["labels"].get(f"{_JOB_SET}/jobset-name") == job
        ]

    def end(self, pod: str, reason: str | None = None) -> None:
        """Kill a pod's process; `reason` is what the kubelet calls it, as OOMKilled."""
        self.nodes[pod].reason = reason
        self.nodes[pod].kill()

    def disrupt(self, pod: str, reason: str, message: str) -> None:
        """Take a pod away, as a drained or preempted node."""
        namespace = next(
            p["metadata"]["namespace"] for p in self.cluster.state.list(POD) if p["metadata"]["name"] == pod
        )
        self._status(namespace, pod, conditions=[_condition("DisruptionTarget", True, reason, message)])
        self.nodes[pod].kill()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for job in self.cluster.state.list(self._kind):
                with suppress(Refused):  # it changed or went meanwhile: the next look sees it
                    self._job(job)
            for pod in self.cluster.state.list(POD):
                if KUBELET in pod["metadata"].get("finalizers", ()):
                    with suppress(Refused):
                        self._pod(pod)

    def _job(self, job: Object) -> None:
        conditions = {c["type"]: c for c in job.get("status", {}).get("conditions", ())}
        if "deletionTimestamp" in job["metadata"] or {"Complete", "Failed"} & conditions.keys():
            return
        suspended = bool(job["spec"].get("suspend"))
        if suspended != (conditions.get("Suspended", {}).get("status") == "True") and (suspended or conditions):
            self._said(
                job,
                "Suspended",
                suspended,
                "Suspended" if suspended else "Resumed",
                "TrainJob is suspended" * suspended,
            )
        pods = self.pods(job["metadata"]["name"])
        if suspended:
            return
        if not pods:
            self._start(job)
            return
        phases = [pod["status"]["phase"] for pod in pods]
        if "Failed" in phases:
            for pod in pods:
                if (node := self.nodes.get(pod["metadata"]["name"])) is not None:
                    node.kill()
            self._said(job, "Failed", True, "FailedJobs", "jobset failed due to one or more job failures")
        elif all(phase == "Succeeded" for phase in phases):
            self._said(job, "Complete", True, "AllJobsCompleted", "jobset completed successfully")

    def _start(self, job: Object) -> None:
        port = _free_port()
        for rank in range(job["spec"]["trainer"]["numNodes"]):
            self.cluster.state.create(POD, job["metadata"]["namespace"], _pod_of(job, rank, port))

    def _pod(self, pod: Object) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        node = self.nodes.get(name)
        if "deletionTimestamp" in pod["metadata"]:
            if node is not None and not node.ended.is_set():
                node.kill(signal.SIGTERM)
                if not node.ended.wait(STOP_SECONDS):
                    node.kill()
                    node.ended.wait()
            self.cluster.state.update(POD, namespace, name, _let_go)
        elif node is None:
            self._place(pod)
        elif node.ended.is_set() and pod["status"]["phase"] == "Running":
            self._finish(pod, node)

    def _place(self, pod: Object) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if self.waiting is not None:
            if self.waiting["reason"] == "Unschedulable":
                said = _condition("PodScheduled", False, "Unschedulable", self.waiting["message"])
                self._status(namespace, name, conditions=[said])
            else:
                self._status(
                    namespace, name, containerStatuses=[{"name": CONTAINER, "state": {"waiting": self.waiting}}]
                )
            return
        container = pod["spec"]["containers"][0]
        process = subprocess.Popen(
            list(self.command(container["command"])),
            env={**self.environment, **self._variables(namespace, container["env"])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        node = self.nodes[name] = Node(process)
        threading.Thread(target=node.read, daemon=True).start()
        self.started += 1
        running = [{"name": CONTAINER, "state": {"running": {"startedAt": now()}}, "restartCount": 0}]
        self._status(namespace, name, phase="Running", conditions=[], containerStatuses=running)

    def _finish(self, pod: Object, node: Node) -> None:
        code = node.process.returncode
        code = code if code >= 0 else 128 - code
        reason = node.reason or ("Completed" if code == 0 else "Error")
        ended = [{"name": CONTAINER, "state": {"terminated": {"exitCode": code, "reason": reason}}, "restartCount": 0}]
        phase = "Failed" if code else "Succeeded"
        self._status(pod["metadata"]["namespace"], pod["metadata"]["name"], phase=phase, containerStatuses=ended)

    def _variables(self, namespace: str, given: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        found = {}
        for one in given:
            if "value" in one:
                found[one["name"]] = one["value"]
            else:
                named = one["valueFrom"]["secretKeyRef"]
                secret = self.cluster.state.get(SECRET, namespace, named["name"])
                found[one["name"]] = base64.b64decode(secret["data"][named["key"]]).decode()
        return found

    def _status(self, namespace: str, name: str, **status: Any) -> None:
        def change(pod: Object) -> Object:
            return {**pod, "status": {**pod["status"], **status}}

        self.cluster.state.update(POD, namespace, name, change)

    def _said(self, job: Object, kind: str, true: bool, reason: str, message: str) -> None:
        said = _condition(kind, true, reason, message)

        def change(found: Object) -> Object:
            others = [c for c in found.get("status", {}).get("conditions", ()) if c["type"] != kind]
            return {**found, "status": {**found.get("status", {}), "conditions": [*others, said]}}

        metadata = job["metadata"]
        self.cluster.state.update(self._kind, metadata["namespace"], metadata["name"], change, status=True)

    def _log(self, _: str, pod: str, follow: bool) -> Iterator[tuple[str, str]]:
        node, told = self.nodes.get(pod), 0
        while node is not None:
            over = node.ended.is_set()
            lines = node.lines[told:]
            yield from lines
            told += len(lines)
            if over or not follow:
                return
            node.ended.wait(LOOK_SECONDS)


def _pod_of(job: Object, rank: int, port: int) -> Object:
    metadata, trainer = job["metadata"], job["spec"]["trainer"]
    name = f"{metadata['name']}-{CONTAINER}-0-{rank}-{uuid.uuid4().hex[:5]}"
    owner = {"apiVersion": job["apiVersion"], "kind": job["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    ranks = {"PET_NNODES": trainer["numNodes"], "PET_NPROC_PER_NODE": trainer["numProcPerNode"], "PET_NODE_RANK": rank}
    places = {"PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": port}
    env = [*trainer["env"], *({"name": k, "value": str(v)} for k, v in {**ranks, **places}.items())]
    container = {"name": CONTAINER, "image": trainer["image"], "command": trainer["command"], "env": env}
    return {
        "metadata": {
            "name": name,
            "labels": {
                f"{_JOB_SET}/jobset-name": metadata["name"],
                f"{_JOB_SET}/replicatedjob-name": CONTAINER,
                _INDEX: str(rank),
            },
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
            # The kubelet lets a pod go when its processes have ended.
            "finalizers": [KUBELET],
        },
        "spec": {"containers": [container]},
        "status": {"phase": "Pending"},
    }


def _let_go(pod: Object) -> Object:
    left = [one for one in pod["metadata"]["finalizers"] if one != KUBELET]
    return {**pod, "metadata": {**pod["metadata"], "finalizers": left}}


def _condition(kind: str, true: bool, reason: str, message: str) -> Object:
    status = "True" if true else "False"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now()}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
