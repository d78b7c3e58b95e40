"""The HTTP face: enough of the Kubernetes API for clients that create, read, list, watch, patch and delete objects.

Faults are switched on by whoever tests: `refuse` answers requests with an error, `stop` and `start` take the server away
and bring it back with what it knew, `state.forget_history` makes watches expire. With `roles` only what they allow is
allowed.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ratchet.services.fake_kubernetes.kinds import BUILT_IN
from ratchet.services.fake_kubernetes.reviews import REVIEWS, allowed, reviewed
from ratchet.services.fake_kubernetes.schemas import crd_versions
from ratchet.services.fake_kubernetes.selectors import fielded, labelled, merged
from ratchet.services.fake_kubernetes.state import Kind, Object, Refused, State

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>status|log))?"
)
_VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
_TRUE = ("1", "t", "T", "true", "True", "TRUE")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
LogLines = Callable[[str, str, bool], Iterator[tuple[str, str]]]
"""From namespace, pod and whether to follow to lines, each with its time (RFC 3339, with fractions)."""


@dataclass(frozen=True)
class Asked:
    """One request, taken apart."""

    method: str
    kind: Kind
    namespace: str
    name: str | None
    sub: str | None
    query: Mapping[str, str]
    body: Any
    content_type: str

    @property
    def verb(self) -> str:
        if self.method != "GET":
            return _VERBS[self.method]
        if self.name is not None:
            return "get"
        return "watch" if self.query.get("watch") in _TRUE else "list"


@dataclass
class FakeKubernetes:
    """A server on a loopback port. `crds` are CustomResourceDefinitions as mappings; `kinds` come without a schema.

    Use it as a context: it answers inside. `requests` are (verb, resource) of all that was asked. `roles` are what whoever asks
    may do, None: everything; `others` the roles of other users by name, for reviews of their rights.
    """

    crds: Sequence[Mapping[str, Any]] = ()
    kinds: Sequence[Kind] = ()
    roles: Sequence[Mapping[str, Any]] | None = None
    others: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    state: State = field(default_factory=State)
    log_lines: LogLines | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._kinds = {(k.group, k.version, k.plural): k for k in (*BUILT_IN, *self.kinds)}
        for crd in self.crds:
            names, group = crd["spec"]["names"], crd["spec"]["group"]
            for version, schema in crd_versions(crd):
                scoped = crd["spec"]["scope"] == "Namespaced"
                made = Kind(group, version, names["plural"], names["kind"], scoped, schema)
                self._kinds[group, version, names["plural"]] = made
        self._refusals: list[tuple[str, int]] = []
        self._server: _Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def kind(self, plural: str) -> Kind:
        return next(kind for kind in self._kinds.values() if kind.plural == plural)

    def refuse(self, verb: str, code: int, times: int = 1) -> None:
        """Answer the next requests of this verb with an error."""
        self._refusals += [(verb, code)] * times

    def start(self) -> None:
        """Answer, on the same port as before."""
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections and break those that are open, as a server that is killed."""
        if self._server is not None:
            self._server.shutdown()
            self._server.break_off()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> FakeKubernetes:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def take_apart(self, method: str, target: str, body: bytes, content_type: str) -> Asked:
        url = urlsplit(target)
        found = _PATH.fullmatch(url.path)
        if found is None:
            raise Refused(404, "NotFound", f"the server has no path {url.path}")
        kind = self._kinds.get((found["group"] or "", found["version"] or "v1", found["plural"]))
        if kind is None or (bool(found["namespace"]) != kind.namespaced and found["name"]):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            given = json.loads(body) if body else None
        except ValueError as error:
            raise Refused(400, "BadRequest", f"the body is no JSON: {error}") from error
        return Asked(method, kind, found["namespace"] or "", found["name"], found["sub"], query, given, content_type)

    def check(self, asked: Asked) -> None:
        """Raise what `refuse` and the roles say."""
        resource = f"{asked.kind.plural}/{asked.sub}" if asked.sub else asked.kind.plural
        self.requests.append((asked.verb, resource))
        for one in self._refusals:
            if one[0] == asked.verb:
                self._refusals.remove(one)
                raise Refused(one[1], "InternalError" if one[1] >= 500 else "Refused", "a fault that was asked for")
        # Everybody may ask what he may do himself.
        mine = asked.kind.plural == "selfsubjectaccessreviews"
        if not mine and not allowed(self.roles, asked.verb, asked.kind.group, resource, asked.name):
            raise Refused(
                403, "Forbidden", f'{resource} is forbidden: cannot {asked.verb} in API group "{asked.kind.group}"'
            )

    def answer(self, asked: Asked) -> Object:
        """What every request but a watch and a log gets."""
        state, kind, namespace = self.state, asked.kind, asked.namespace
        strict = asked.query.get("fieldValidation") == "Strict"
        if asked.kind.plural in REVIEWS:
            return reviewed(asked.body, self.roles, self.others)
        if asked.method == "POST":
            return state.create(kind, namespace, asked.body, strict=strict, dry=asked.query.get("dryRun") == "All")
        if asked.name is None:
            return self._listed(asked)
        if asked.method == "GET":
            return state.get(kind, namespace, asked.name)
        if asked.method == "DELETE":
            named = {name: asked.query[name] for name in ("propagationPolicy",) if name in asked.query}
            return state.delete(kind, namespace, asked.name, {**named, **(asked.body or {})})
        if asked.method == "PATCH" and asked.content_type != "application/merge-patch+json":
            raise Refused(
                415, "UnsupportedMediaType", f"patches are application/merge-patch+json, not {asked.content_type}"
            )
        merge = asked.method == "PATCH"
        return state.update(
            kind,
            namespace,
            asked.name,
            lambda old: merged(old, asked.body) if merge else asked.body,
            status=asked.sub == "status",
        )

    def fits(self, asked: Asked, value: Object) -> bool:
        labels = value["metadata"].get("labels", {})
        return labelled(asked.query.get("labelSelector", ""), labels) and fielded(
            asked.query.get("fieldSelector", ""), value
        )

    def _listed(self, asked: Asked) -> Object:
        with self.state.lock:
            items = [one for one in self.state.list(asked.kind, asked.namespace or None) if self.fits(asked, one)]
            metadata = {"resourceVersion": str(self.state.version)}
        kind = asked.kind
        return {"apiVersion": kind.api_version, "kind": f"{kind.kind}List", "metadata": metadata, "items": items}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], fake: FakeKubernetes) -> None:
        self.fake, self.ended, self._open = fake, threading.Event(), set[socket.socket]()
        super().__init__(address, _Answering)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""

    def break_off(self) -> None:
        self.ended.set()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """The tests look at `requests`."""

    def do_GET(self) -> None:
        fake = self.server.fake
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/version":
            self._send(200, _VERSION)
            return
        try:
            kind = self.headers.get("Content-Type", "")
            asked = fake.take_apart(self.command, self.path, body, kind)
            fake.check(asked)
            if asked.sub == "log":
                fake.state.get(asked.kind, asked.namespace, asked.name or "")
                self._stream("text/plain", self._log(asked))
            elif asked.verb == "watch":
                self._stream("application/json", self._watched(asked))
            else:
                self._send(201 if self.command == "POST" else 200, fake.answer(asked))
        except Refused as refused:
            self._send(refused.code, _status(refused.code, refused.reason, str(refused)))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _send(self, code: int, value: Object) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, content_type: str, pieces: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _log(self, asked: Asked) -> Iterator[bytes]:
        fake, name = self.server.fake, asked.name or ""
        if fake.log_lines is None:
            return
        times = asked.query.get("timestamps") in _TRUE
        lines = fake.log_lines(asked.namespace, name, asked.query.get("follow") in _TRUE)
        if (last := asked.query.get("tailLines")) is not None:
            lines = iter(list(lines)[-int(last) :])
        for moment, line in lines:
            if asked.query.get("sinceTime", "") <= moment:
                yield (f"{moment} {line}\n" if times else f"{line}\n").encode()

    def _watched(self, asked: Asked) -> Iterator[bytes]:
        state, fake = self.server.fake.state, self.server.fake
        seen = int(asked.query.get("resourceVersion") or state.version)
        deadline = time.monotonic() + float(asked.query.get("timeoutSeconds", "300"))
        while time.monotonic() < deadline and not self.server.ended.is_set():
            with state.changed:
                if seen < state.forgotten:
                    gone = _status(410, "Expired", f"too old resource version: {seen} ({state.version})")
                    yield json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n"
                    return
                news = [c for c in state.history if c.version > seen and c.kind == asked.kind]
                if not news:
                    state.changed.wait(0.1)
            for change in news:
                seen = change.version
                inside = asked.namespace in ("", change.object["metadata"].get("namespace"))
                if inside and fake.fits(asked, change.object):
                    yield json.dumps({"type": change.type, "object": change.object}).encode() + b"\n"


def _status(code: int, reason: str, message: str) -> Object:
    status = {"apiVersion": "v1", "kind": "Status", "status": "Failure"}
    return {**status, "code": code, "reason": reason, "message": message}
