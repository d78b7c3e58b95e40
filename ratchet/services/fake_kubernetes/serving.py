"""The controllers of Deployments and KServe, and the pods that they run, as far as serving sees them.

Deployments become available and InferenceServices get revisions, traffic and addresses; one HTTP server stands for all pods.
Knative's shares of traffic are told in the status, not acted on. Faults are switched on by name.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ratchet.services.fake_kubernetes.server import FakeKubernetes
from ratchet.services.fake_kubernetes.state import Kind, Object, Refused

DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
SERVICE = Kind("", "v1", "services", "Service", status=False)
LOOK_SECONDS = 0.02
_VERSION = "ratchet.internal/version"


class FakeServing:
    """Use it as a context, inside that of its cluster, which knows DEPLOYMENT and SERVICE and may know KServe's CRD.

    Pods of a version in `never_ready` do not start; `health` is what pods answer at /health, `text` what they say to a prompt.
    `asked` are the bodies of requests that they got.
    """

    def __init__(self, cluster: FakeKubernetes, model: str) -> None:
        self.cluster, self.model = cluster, model
        self.never_ready: set[str] = set()
        self.health, self.text = 200, "7"
        self.asked: list[dict[str, Any]] = []
        self._revisions: dict[str, list[Object]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-serving", daemon=True)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _pod(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeServing:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._server.shutdown()
        self._server.server_close()

    def revisions(self, name: str) -> list[str]:
        """The versions of an InferenceService's revisions."""
        return [one["version"] for one in self._revisions.get(name, [])]

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for kind, work in ((DEPLOYMENT, self._deployment), (self._kserve(), self._inference)):
                for one in self.cluster.state.list(kind) if kind is not None else ():
                    with suppress(Refused):  # it changed or went meanwhile: the next look sees it
                        work(one)

    def _kserve(self) -> Kind | None:
        with suppress(StopIteration):
            return self.cluster.kind("inferenceservices")
        return None

    def _deployment(self, found: Object) -> None:
        wanted = found["spec"].get("replicas", 1)
        version = found["spec"]["template"]["metadata"].get("annotations", {}).get(_VERSION)
        ready = 0 if version in self.never_ready else wanted
        status = {"observedGeneration": found["metadata"]["generation"], "replicas": wanted, "updatedReplicas": ready}
        self._status(DEPLOYMENT, found, {**status, "availableReplicas": ready})

    def _inference(self, found: Object) -> None:
        """A revision for every other predictor but for its share, and for other annotations, which KServe copies into its template;
        the first, and one with all traffic, is rolled out."""
        name, version = found["metadata"]["name"], found["metadata"]["annotations"].get(_VERSION)
        predictor = dict(found["spec"]["predictor"])
        percent = predictor.pop("canaryTrafficPercent", 100)
        known = self._revisions.setdefault(name, [])
        template = {"predictor": predictor, "annotations": found["metadata"]["annotations"]}
        if not known or known[-1]["template"] != template:
            known.append({"template": template, "version": version, "rolled": not known})
        newest = known[-1]
        ready = version not in self.never_ready
        newest["rolled"] = newest["rolled"] or (ready and percent == 100)
        names = [f"{name}-predictor-{number:05d}" for number in range(1, len(known) + 1)]
        rolled = [one for one, revision in zip(names, known, strict=True) if revision["rolled"]]
        traffic = [
            {"latestRevision": True, "percent": percent, "revisionName": names[-1], "tag": "latest", "url": self.url}
        ]
        traffic += (
            [{"percent": 100 - percent, "revisionName": rolled[-1], "latestRevision": False}] if percent < 100 else []
        )
        status: Object = {"latestCreatedRevision": names[-1], "latestRolledoutRevision": rolled[-1], "traffic": traffic}
        if ready:
            status["latestReadyRevision"] = names[-1]
        told = {
            "observedGeneration": found["metadata"]["generation"],
            "components": {"predictor": status},
            "url": self.url,
        }
        kind = self._kserve()
        assert kind is not None
        self._status(kind, found, told)

    def _status(self, kind: Kind, found: Object, status: Object) -> None:
        if found.get("status") == status:
            return
        metadata = found["metadata"]

        def change(now: Object) -> Object:
            return {**now, "status": status}

        self.cluster.state.update(kind, metadata["namespace"], metadata["name"], change, status=True)


def _pod(fake: FakeServing) -> type[BaseHTTPRequestHandler]:
    class Pod(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                self._send(fake.health, {})
            else:
                self._send(200, {"object": "list", "data": [{"id": fake.model, "object": "model"}]})

        def do_POST(self) -> None:
            fake.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            message = {"role": "assistant", "content": fake.text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
            self._send(
                200, {"id": "1", "object": "chat.completion", "model": fake.model, "choices": [choice], "usage": usage}
            )

        def _send(self, code: int, value: Object) -> None:
            data = json.dumps(value).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """The tests look at `asked`."""

    return Pod
