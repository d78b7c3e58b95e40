"""The API server, as serving needs it: four verbs, patience while it is away, and refusals in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ratchet.errors import PlatformError, PlatformUnavailable, TrainError
from ratchet.train.launchers.trainjob.api import Api, Away, Object, Refused, connect

AWAY_SECONDS = 120.0
PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "InferenceService": "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices",
}
COMPONENTS = dict.fromkeys(("InferenceService", "ConfigMap"), "manifests/components/serving-kserve")


@dataclass(frozen=True)
class Cluster:
    """`poll` seconds lie between two looks."""

    api: Api
    poll: float = 5.0
    away: float = AWAY_SECONDS

    @classmethod
    def connect(cls, poll: float = 5.0) -> Cluster:
        """The cluster around this process, else the kubeconfig's. Raises PlatformError."""
        try:
            return cls(connect(), poll)
        except TrainError as error:
            raise PlatformError(
                "serving needs a cluster: this process has neither a service account's token nor a kubeconfig. Run it in a pod with "
                "manifests/components/serving-deployment or serving-kserve, or set KUBECONFIG."
            ) from error

    def get(self, kind: str, name: str) -> Object | None:
        return self._ask("GET", kind, name)

    def create(self, value: Object) -> None:
        """Quiet when the name is taken: whoever was first made the same."""
        try:
            self._ask("POST", value["kind"], None, value)
        except Taken:
            return

    def patch(self, kind: str, name: str, change: Object) -> None:
        if self._ask("PATCH", kind, name, change) is None:
            raise PlatformError(f"{kind} {name} was deleted by somebody meanwhile; run `ratchet serving follow` again.")

    def replace(self, kind: str, name: str, spec: Object, annotations: Object) -> None:
        """Its spec is `spec` and nothing else."""
        old = (self.get(kind, name) or {}).get("spec", {})
        self.patch(kind, name, {"spec": exchanged(old, spec), "metadata": {"annotations": annotations}})

    def delete(self, kind: str, name: str) -> None:
        self._ask("DELETE", kind, name, {"propagationPolicy": "Foreground"})

    def _ask(self, method: str, kind: str, name: str | None, body: Object | None = None) -> Object | None:
        path = PATHS[kind].format(self.api.namespace) + (f"/{name}" if name else "")
        query = {"fieldValidation": "Strict"} if method == "POST" else {}
        start = time.monotonic()
        while True:
            try:
                return self.api.ask(method, path, body=body, query=query)
            except Refused as refused:
                if refused.code == 404 and name is not None:
                    return None
                if refused.code == 409 and method == "POST":
                    raise Taken from refused
                raise PlatformError(_words(method, kind, refused)) from refused
            except Away as error:
                if time.monotonic() - start > self.away:
                    raise PlatformUnavailable(f"the Kubernetes API does not answer: {error}. Try again.") from error
                time.sleep(self.poll)

    def wait(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Whether it came true in time."""
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                return False
            time.sleep(self.poll)
        return True


def exchanged(old: Object, new: Object) -> Object:
    """The merge patch that makes `new` of `old`: what is there no longer has to be named. Defaults of the server's come back."""
    change: Object = dict.fromkeys(key for key in old if key not in new)
    for key, value in new.items():
        before = old.get(key)
        change[key] = exchanged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return change


class Taken(Exception):
    """There is an object of that name."""


def _words(method: str, kind: str, refused: Refused) -> str:
    component = COMPONENTS.get(kind, "manifests/components/serving-deployment")
    said = f"the cluster refuses to {method} a {kind}: {refused} (HTTP {refused.code})."
    if refused.code == 403:
        return f"{said} Give the service account the Role of {component}."
    if refused.code == 404:
        return f"{said} Install KServe, or serve with kind: deployment."
    return f"{said} Change the serving config and try again."
