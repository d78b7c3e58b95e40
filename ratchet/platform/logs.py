"""What the tasks of a run have said: the logs of its pods, and where those are gone what the store has kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ratchet import rounds
from ratchet.errors import PlatformError
from ratchet.platform.pipelines import Pipelines
from ratchet.platform.runs import loop_of
from ratchet.records import Record
from ratchet.stage import STAGES
from ratchet.store import Store

CONTAINER = "main"
"""Argo's name for the container that a task's command runs in."""
TASKS: Mapping[str, Sequence[str]] = {"generate": ("generate", "generate-shard", "merge")}
"""The names of a stage's tasks, where they are not the stage's own."""
_RUN_LABEL = "pipeline/runid"
_NODE = "workflows.argoproj.io/node-name"


class TaskLog(Record):
    """The log of one pod of a task; `text` None: it is gone, and `why` says so."""

    stage: str
    pod: str | None
    state: str | None
    text: str | None
    why: str | None = None


def logs(client: Pipelines, store: Store, namespace: str, run: str, stage: str | None, tail: int) -> Iterator[TaskLog]:
    """The last `tail` lines of each pod of the stages (or of one). Raises PlatformError for a run that is not there."""
    found = client.run(run)
    loop = loop_of(found)
    pods = Pods(namespace)
    for name in [stage] if stage is not None else STAGES:
        states = pods_of(found, name)
        names = list(states) or pods.labelled(run, name)
        told = [_log(pods, name, pod, states.get(pod), tail) for pod in names]
        if any(one.text is not None for one in told):
            yield from told
        elif names or _began(store, loop, run, name):
            yield _kept(store, loop, run, name, told)


def pods_of(run: Any, stage: str) -> dict[str, str | None]:
    """The pods of a stage's tasks with their state, as the run's details name them: a task's own, and those of its children.

    A driver prepares a task and says nothing of it.
    """
    details = (run.run_details.task_details if run.run_details is not None else None) or []
    children: dict[str, list[Any]] = {}
    for one in details:
        if one.parent_task_id:
            children.setdefault(one.parent_task_id, []).append(one)
    found: dict[str, str | None] = {}
    waiting = [one for one in details if one.display_name in TASKS.get(stage, (stage,))]
    seen = set()
    while waiting:
        one = waiting.pop(0)
        if one.task_id in seen or (one.display_name or "").endswith("driver"):
            continue
        seen.add(one.task_id)
        if one.pod_name:
            found[one.pod_name] = one.state
        own = {child.task_id for child in one.child_tasks or ()}
        found.update(
            {child.pod_name: one.state for child in one.child_tasks or () if child.pod_name and not own & seen}
        )
        waiting += children.get(one.task_id, []) + [other for other in details if other.task_id in own]
    return found


class Pods:
    """Pods of a namespace, as far as this account may see them. `why`: what the last question failed of; `barred`: the next
    will, too."""

    def __init__(self, namespace: str) -> None:
        self._namespace, self._core, self.why, self.barred = namespace, None, "", False
        from kubernetes import client, config

        configuration = client.Configuration()
        configuration.retries = False
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            try:
                config.load_kube_config(client_configuration=configuration)
            except config.ConfigException:
                self.why = "this machine knows no cluster (no service account, no kubeconfig)"
                self.barred = True
                return
        self._core = client.CoreV1Api(client.ApiClient(configuration))

    def labelled(self, run: str, stage: str) -> list[str]:
        """Pods of a run's stage by their labels, where the API of Kubeflow Pipelines does not name them."""
        found = self._asked(
            lambda core: core.list_namespaced_pod(self._namespace, label_selector=f"{_RUN_LABEL}={run}")
        )
        names = "|".join(map(re.escape, TASKS.get(stage, (stage,))))
        wanted = re.compile(rf"\.(?:{names})(?:\(|\.|$)(?!.*driver)")
        return [
            pod.metadata.name
            for pod in (found.items if found is not None else ())
            if wanted.search((pod.metadata.annotations or {}).get(_NODE, ""))
        ]

    def log(self, pod: str, tail: int | None, *, since: int | None = None, timestamps: bool = False) -> str | None:
        """The last `tail` lines, or those of the last `since` seconds. None, with `why`: there is no log to be had."""
        given: dict[str, Any] = {"container": CONTAINER, "timestamps": timestamps, "_preload_content": False}
        limits = {"tail_lines": tail, "since_seconds": since}
        given |= {name: limit for name, limit in limits.items() if limit is not None}
        text = self._asked(lambda core: core.read_namespaced_pod_log(pod, self._namespace, **given).data)
        return text.decode(errors="replace") if text is not None else None

    def _asked(self, call: Any) -> Any:
        """None, with `why` in words, where the cluster does not give it."""
        if self._core is None:
            return None
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return call(self._core)
        except ApiException as error:
            if error.status == 404:
                self.why = "the pod is gone: Kubernetes has deleted it"
            elif error.status in (401, 403):
                self.why = f"this account may not read pods/log in namespace {self._namespace} ({error.status})"
                self.barred = True
            else:
                self.why = f"Kubernetes answered {error.status} {error.reason}"
        except (HTTPError, OSError) as error:
            self.why = f"Kubernetes did not answer: {error}"
        return None


def _log(pods: Pods, stage: str, pod: str, state: str | None, tail: int) -> TaskLog:
    text = pods.log(pod, tail)
    return TaskLog(stage=stage, pod=pod, state=state, text=text, why=None if text is not None else pods.why)


def _kept(store: Store, loop: str, run: str, stage: str, told: Sequence[TaskLog]) -> TaskLog:
    """What the store knows of a task whose pods are gone."""
    why = next((one.why for one in told if one.why), "no pod of it is known any more")
    ticket = rounds.read_run(store, loop, run)
    if ticket is None:
        said = "and the run opened no round, so nothing was kept in the store"
    else:
        failures = rounds.read_failures(store, loop, ticket.number, run)
        done = rounds.manifests(store, loop, ticket.number)
        said = (
            f"what it failed with is kept: {failures[stage]}"
            if stage in failures
            else f"it went well: {done[stage].uri}"
            if stage in done
            else "and it left neither a manifest nor a message"
        )
    pod, state = (told[0].pod, told[0].state) if told else (None, None)
    return TaskLog(stage=stage, pod=pod, state=state, text=None, why=f"{why}; {said}")


def _began(store: Store, loop: str, run: str, stage: str) -> bool:
    """Whether the store knows anything of a run's stage."""
    ticket = rounds.read_run(store, loop, run)
    if ticket is None:
        return stage == "begin"
    return stage in rounds.read_failures(store, loop, ticket.number, run) or stage in rounds.manifests(
        store, loop, ticket.number
    )


def check_stage(stage: str | None) -> None:
    if stage is not None and stage not in STAGES:
        raise PlatformError(f"there is no stage {stage}; there are: {', '.join(STAGES)}.")
