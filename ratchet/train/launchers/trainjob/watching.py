"""Waiting for a TrainJob's end.

It looks every few seconds instead of watching. A watch has to begin again when its resourceVersion is too old (410), when
its connection breaks and when the server says nothing; a training lasts minutes to days, so a look that asks for all there
is to know is as good, and nothing that happened meanwhile is missed: what pods said is kept, as Kubernetes deletes them
when a job fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ratchet import errors
from ratchet.errors import RatchetError, TrainError
from ratchet.launching.trainjob import TrainJobConfig
from ratchet.train.launchers.logs import redacted
from ratchet.train.launchers.trainjob.api import Object, Refused
from ratchet.train.launchers.trainjob.following import Following
from ratchet.train.launchers.trainjob.jobs import Jobs
from ratchet.train.launchers.trainjob.looking import (
    JOB_SET,
    REPLICATED_JOB,
    Look,
    Phase,
    Termination,
    condition,
    first_pod,
    hopeless,
    look,
    terminations,
)
from ratchet.train.launchers.trainjob.manifest import NODE
from ratchet.train.orders import Failure

KUEUE_VERSIONS = ("v1beta2", "v1beta1")
PASSING = ("StoreError", "StoreUnavailable", "NotFound", "Conflict")
"""Failures of a worker that its next start may not meet; all others of ratchet's are final."""


class Ended(Exception):
    """The training failed, for the reason that `error` says: nothing more comes of this job."""

    def __init__(self, error: RatchetError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass
class Watching:
    """One wait for a job. `failures` reads what its workers said; `check`, asked every `every` seconds, raises when this run need
    not wait any more."""

    jobs: Jobs
    job: Object
    config: TrainJobConfig
    failures: Callable[[], list[Failure]]
    check: Callable[[], None]
    every: float
    following: Following
    seen: dict[tuple[str, int | None, str], Termination] = field(default_factory=dict)

    def run(self) -> None:
        """Until the job is complete. Raises Ended, and what `check` raises."""
        phase: Phase | None = None
        since = checked = time.time()
        while True:
            pods = self._pods()
            now = self._look(pods)
            if now.phase != phase:
                # A run that adopts counts on from where the job got into its phase.
                since = time.time() if phase is not None else min(_began(self.job), time.time())
                phase = now.phase
            self._tell(now)
            self.following.pod(first_pod(pods))
            if now.phase == "complete":
                return
            if now.phase == "failed":
                raise Ended(self._failure(now))
            self._give_up(now, pods, time.time() - since)
            if time.time() - checked >= self.every:
                self.check()
                checked = time.time()
            time.sleep(self.jobs.poll)
            self._read()

    def _read(self) -> None:
        name, uid = self.job["metadata"]["name"], self.job["metadata"]["uid"]
        found = self.jobs.get(name)
        if found is None or found["metadata"]["uid"] != uid or "deletionTimestamp" in found["metadata"]:
            raise Ended(
                TrainError(
                    f"TrainJob {name} was deleted while it was at work, by somebody or because its owner is gone; run the stage again: "
                    "it goes on from its last checkpoint."
                )
            )
        self.job = found

    def _look(self, pods: list[Object]) -> Look:
        for one in terminations(pods):
            self.seen.setdefault((one.pod, one.code, one.reason), one)
        queued = bool(self.job["spec"].get("suspend"))
        workloads = self._workloads() if queued else []
        events = self._events() if not pods and not queued else []
        return look(self.job, pods, workloads, events)

    def _tell(self, now: Look) -> None:
        queue = f"waits in queue {self.config.queue}: {now.note}" if self.config.queue else "is suspended, by somebody"
        words = {"queued": queue, "starting": f"starts: {now.note}", "running": "runs"}.get(now.phase)
        if words is not None:
            self.jobs.say(f"TrainJob {self.job['metadata']['name']} {words}")

    def _give_up(self, now: Look, pods: list[Object], waited: float) -> None:
        name = self.job["metadata"]["name"]
        never = hopeless(pods)
        if never is not None:
            raise Ended(
                TrainError(
                    f"TrainJob {name} cannot start: {never}. Set images.training, or launcher.trainjob.image, in the profile."
                )
            )
        if now.phase == "queued" and self.config.queue_hours and waited > self.config.queue_hours * 3600:
            raise Ended(
                TrainError(
                    f"TrainJob {name} waited {waited / 3600:.1f} h in queue {self.config.queue}, longer than launcher.trainjob.queue_hours "
                    f"({self.config.queue_hours:g}): {now.note}. Ask for less, use another queue, or wait longer."
                )
            )
        if now.phase == "starting" and waited > self.config.start_minutes * 60:
            raise Ended(
                TrainError(
                    f"TrainJob {name} does not start since {waited / 60:.0f} min, longer than launcher.trainjob.start_minutes "
                    f"({self.config.start_minutes:g}): {now.note}. Ask for what the cluster has (nodes, gpus, memory, node_selector, "
                    "tolerations), see to its images and secrets, or wait longer."
                )
            )
        final = self._final()
        if final is not None:
            raise Ended(final)

    def _final(self) -> RatchetError | None:
        """What a worker said that its next start would say again. Runtimes start a node's container anew up to six times, each
        time after a longer wait; that is waited for only where it may help."""
        if not self.seen:
            return None
        for said in self.failures():
            kind = getattr(errors, said.error, None)
            if isinstance(kind, type) and issubclass(kind, RatchetError) and said.error not in PASSING:
                return self._worker_error(said)
        return None

    def _failure(self, now: Look) -> RatchetError:
        """Why a job failed: what took its pods away comes first, as the other workers only miss those; then workers' words."""
        self.following.end()
        name = self.job["metadata"]["name"]
        memory = next((one for one in self.seen.values() if one.reason == "OOMKilled"), None)
        lost = next((one for one in self.seen.values() if one.lost), None)
        if now.reason == "DeadlineExceeded":
            return self._with_log(
                f"TrainJob {name} ran longer than launcher.trainjob.hours ({self.config.hours:g}) and was stopped. Run the stage again: "
                "it goes on from its last checkpoint; or allow more hours."
            )
        if memory is not None:
            return self._with_log(
                f"node {memory.node} of TrainJob {name} was out of memory ({self.config.memory}; {memory.reason}). Raise "
                "launcher.trainjob.memory, or lower train.batch_size and set train.trl.gradient_accumulation_steps."
            )
        if lost is not None:
            return self._with_log(
                f"node {lost.node} of TrainJob {name} was taken away: {lost.reason} {lost.message}".rstrip()
                + ". Run the stage again: "
                "it goes on from its last checkpoint."
            )
        told = self.failures()
        if told:
            return self._worker_error(told[0])
        how = "; ".join(f"node {one.node} ended with {_code(one)}" for one in list(self.seen.values())[:4])
        said = ": ".join(filter(None, (now.reason, now.note)))
        return self._with_log(
            f"TrainJob {name} failed: {said or 'nobody says why'}{f' ({how})' if how else ''}. Mend what this and the "
            "pods' events name, and run the stage again."
        )

    def _worker_error(self, said: Failure) -> RatchetError:
        error = said.model_copy(update={"message": redacted(said.message)}).as_error()
        error.add_note(f"raised in rank {said.rank} of TrainJob {self.job['metadata']['name']}.{self._log()}")
        return error

    def _with_log(self, words: str) -> TrainError:
        return TrainError(f"{words}{self._log()}")

    def _log(self) -> str:
        tail = self.following.tail()
        return f"\nThe end of the log of node 0:\n{tail}" if tail else ""

    def _pods(self) -> list[Object]:
        selector = f"{JOB_SET}={self.job['metadata']['name']},{REPLICATED_JOB}={NODE}"
        return self._list(f"/api/v1/namespaces/{self.jobs.api.namespace}/pods", labelSelector=selector)

    def _workloads(self) -> list[Object]:
        """Kueue's of this job; none where it is not there or may not be read: its words are a comfort, not needed."""
        selector = f"kueue.x-k8s.io/job-uid={self.job['metadata']['uid']}"
        for version in KUEUE_VERSIONS:
            path = f"/apis/kueue.x-k8s.io/{version}/namespaces/{self.jobs.api.namespace}/workloads"
            with suppress(TrainError):
                return self._list(path, labelSelector=selector)
        return []

    def _events(self) -> list[Object]:
        selector = f"involvedObject.uid={self.job['metadata']['uid']}"
        path = f"/api/v1/namespaces/{self.jobs.api.namespace}/events"
        try:
            return self._list(path, fieldSelector=selector)
        except TrainError:
            return []

    def _list(self, path: str, **query: str) -> list[Object]:
        try:
            found = self.jobs.patient(lambda: self.jobs.api.ask("GET", path, query=query))
        except Refused as refused:
            what = path.rsplit("/", 1)[1]
            raise TrainError(
                f"the cluster let this run not list {what}: {refused} (HTTP {refused.code}). Give the service account of the run's "
                "pods the Role of manifests/components/trainjob."
            ) from refused
        items: list[Object] = found["items"]
        return items


def _code(one: Termination) -> str:
    words = " ".join(filter(None, (one.reason, one.message)))
    return f"exit code {one.code}{f' ({words})' if words and words != 'Error' else ''}"


def _began(job: Object) -> float:
    """When the job got into its phase, as far as it says, in seconds since 1970."""
    moved = condition(job, "Suspended")
    text = moved["lastTransitionTime"] if moved is not None else job["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(str(text)).astimezone(UTC).timestamp()
