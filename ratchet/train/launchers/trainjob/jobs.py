"""Making, adopting and deleting the TrainJob. Its name is the stage's, so that of all tries there is one job at most.

not there                       make it
being deleted                   wait until it is gone, then make it
failed                          delete it, then make it: this is a new try
ended well, or at work          adopt it: become an owner and the holder
another stage's, or another     say so; it is not touched
spec and at work
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ratchet.errors import TrainError
from ratchet.train.launchers.trainjob.api import Api, Away, Object, Refused
from ratchet.train.launchers.trainjob.looking import ended
from ratchet.train.launchers.trainjob.manifest import (
    ATTEMPT,
    DOMAIN,
    GROUP,
    HOLDER,
    PLURAL,
    SPEC,
    STAGE_KEY,
    VERSION,
    Owner,
    differences,
)

T = TypeVar("T")
AWAY_SECONDS = 600.0
"""How long the API server may be away before it is given up; a training goes on without it."""
GONE_SECONDS = 600.0
"""How long the deletion of a job may take: its pods have their grace period, and finalizers theirs."""
_TRIES = 5


@dataclass
class Jobs:
    """The jobs of a namespace. `poll` seconds lie between two looks."""

    api: Api
    say: Callable[[str], None]
    poll: float
    away: float = field(default_factory=lambda: AWAY_SECONDS)

    def get(self, name: str) -> Object | None:
        """The job, None when it is not there."""
        try:
            return self.patient(lambda: self.api.ask("GET", self._path(name)))
        except Refused as refused:
            if refused.code == 404:
                return None
            raise _told("read", refused) from refused

    def ensure(self, job: Object) -> Object:
        """Make the job, or adopt the one that is there already, as the table above says."""
        name, deadline = str(job["metadata"]["name"]), time.monotonic() + GONE_SECONDS
        while True:
            made = self._made(job)
            if made is not None:
                return made
            found = self.get(name)
            if found is None:
                continue
            _check_same_stage(job, found)
            if "deletionTimestamp" not in found["metadata"]:
                failed = ended(found) == "Failed"
                if not failed:
                    _check_same_spec(job, found)
                    adopted = self._adopted(job, found)
                    if adopted is not None:
                        return adopted
                    continue
                self.delete(found)
            if time.monotonic() > deadline:
                raise TrainError(
                    f"TrainJob {name} is being deleted for {GONE_SECONDS:.0f} s and still there: look at its pods and finalizers "
                    f"(`kubectl get trainjob {name} -o yaml`), then run the stage again."
                )
            self.say(f"waiting until the earlier TrainJob {name} is gone")
            time.sleep(self.poll)

    def rehearse(self, job: Object) -> None:
        """Let the server say what it would say to this job, and make nothing. Raises TrainError."""
        self._made(job, dryRun="All")

    def owner(self) -> Owner | None:
        """Who owns this process's pod: the workflow of the run. None outside of a cluster, and for a pod of no owner."""
        pod = self.pod()
        for owner in (pod or {}).get("metadata", {}).get("ownerReferences", ()):
            if owner.get("controller"):
                return Owner(owner["apiVersion"], owner["kind"], owner["name"], owner["uid"])
        return None

    def pod(self) -> Object | None:
        """This process's pod, None outside of a cluster."""
        if self.api.pod is None:
            return None
        path = f"/api/v1/namespaces/{self.api.namespace}/pods/{self.api.pod}"
        try:
            return self.patient(lambda: self.api.ask("GET", path))
        except Refused as refused:
            raise _told(f"read its own pod {self.api.pod}", refused) from refused

    def delete(self, job: Object) -> None:
        """Begin to delete the job unless somebody else has adopted it since. It stays until its pods are gone, so that
        whoever finds its name free finds their machines free too. Quiet when it is gone. `job` is what was asked for or found."""
        name, holder = str(job["metadata"]["name"]), job["metadata"]["annotations"].get(HOLDER)
        for _ in range(_TRIES):
            found = self.get(name)
            if found is None or "deletionTimestamp" in found["metadata"]:
                return
            metadata = found["metadata"]
            if metadata.get("annotations", {}).get(HOLDER) != holder:
                return
            if metadata["uid"] == job["metadata"].get("uid", metadata["uid"]) and self._deleted(name, metadata):
                return
        raise TrainError(f"TrainJob {name} changes too fast to be deleted; `kubectl delete trainjob {name}` ends it.")

    def _deleted(self, name: str, metadata: Object) -> bool:
        """Whether that state of the job is being deleted now; False when it has changed meanwhile."""
        state = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        body = {"propagationPolicy": "Foreground", "preconditions": state}
        try:
            self.patient(lambda: self.api.ask("DELETE", self._path(name), body=body))
        except Refused as refused:
            if refused.code not in (404, 409):
                raise _told("delete", refused) from refused
            return refused.code == 404
        return True

    def patient(self, ask: Callable[[], T]) -> T:
        """Ask until the server is there. Raises Away when it is not for `away` seconds."""
        start = time.monotonic()
        while True:
            try:
                return ask()
            except Away as error:
                gone = time.monotonic() - start
                if gone > self.away:
                    raise
                self.say(f"the Kubernetes API does not answer ({error}); asking again")
                time.sleep(self.poll)

    def _made(self, job: Object, **how: str) -> Object | None:
        """The job as it was created, None where the name is taken. Fields that the cluster does not know are an error:
        an older Trainer would drop them, and tolerations and secrets with them."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self.api.namespace}/{PLURAL}"
        try:
            return self.patient(
                lambda: self.api.ask("POST", path, body=job, query={"fieldValidation": "Strict", **how})
            )
        except Refused as refused:
            if refused.code == 409:
                return None
            raise _told("create", refused) from refused

    def _adopted(self, job: Object, found: Object) -> Object | None:
        """The found job as ours: owned by our run too, held by us. None where it changed meanwhile."""
        owners = list(found["metadata"].get("ownerReferences", ()))
        known = {owner["uid"] for owner in owners}
        owners += [owner for owner in job["metadata"].get("ownerReferences", ()) if owner["uid"] not in known]
        metadata: dict[str, Any] = {
            "resourceVersion": found["metadata"]["resourceVersion"],
            "annotations": {HOLDER: job["metadata"]["annotations"][HOLDER]},
        }
        if owners:
            metadata["ownerReferences"] = owners
        name = str(found["metadata"]["name"])
        try:
            adopted = self.patient(lambda: self.api.ask("PATCH", self._path(name), body={"metadata": metadata}))
        except Refused as refused:
            if refused.code in (404, 409):
                return None
            raise _told("adopt", refused) from refused
        self.say(f"adopted TrainJob {name}, which an earlier try of this stage has made")
        return adopted

    def _path(self, name: str) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.api.namespace}/{PLURAL}/{name}"


def attempt_of(job: Object) -> str:
    """Which attempt's failures its workers write."""
    return str(job["metadata"]["annotations"].get(ATTEMPT, ""))


def _check_same_stage(job: Object, found: Object) -> None:
    wanted = job["metadata"]["annotations"][STAGE_KEY]
    there = found["metadata"].get("annotations", {}).get(STAGE_KEY)
    if there != wanted:
        name = job["metadata"]["name"]
        raise TrainError(
            f"TrainJob {name} is there already, and is not this stage's: its {STAGE_KEY} is {there!r}, not {wanted[:12]}... "
            f"Delete it (`kubectl delete trainjob {name}`) if nobody needs it, and run the stage again."
        )


def _check_same_spec(job: Object, found: Object) -> None:
    if found["metadata"]["annotations"].get(SPEC) == job["metadata"]["annotations"][SPEC]:
        return
    name = job["metadata"]["name"]
    other = differences(job["spec"], found["spec"])
    raise TrainError(
        f"TrainJob {name} trains this stage already, but as an earlier profile said: {'; '.join(other[:4]) or 'its command differs'}. "
        f"Wait for its end with that profile, or delete it (`kubectl delete trainjob {name}`), and run the stage again."
    )


def _told(what: str, refused: Refused) -> TrainError:
    """What the API server refuses, with what helps."""
    return TrainError(
        f"the cluster let this run not {what} a TrainJob: {refused} (HTTP {refused.code}). {_advice(refused)}"
    )


def _advice(refused: Refused) -> str:
    said = str(refused)
    if "admission webhook" in said or refused.code == 422:
        return "Change launcher.trainjob in the profile (the runtime has to exist) and compile again."
    if refused.code == 403:
        return (
            "Give the service account of the run's pods the Role of manifests/components/trainjob, or set "
            "another one for the run."
        )
    if refused.code == 404:
        return "Install Kubeflow Trainer 2.2 or later in the cluster, or use another launcher."
    if "unknown field" in said:
        return f"Its Kubeflow Trainer is older than 2.2 and has no runtimePatches; {DOMAIN} settings would be lost. Upgrade it."
    return "Look at the API server's words above, and run the stage again."
