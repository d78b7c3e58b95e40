"""The HTTP face of the fake: who may ask, faults that were asked for, and JSON answers."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from ratchet.services.fake_pipelines.bodies import Object, Refused
from ratchet.services.fake_pipelines.routes import Asked, route
from ratchet.services.fake_pipelines.state import State

if TYPE_CHECKING:
    from ratchet.services.fake_pipelines.execution import Executor

RELEASE = "2.17.0"


@dataclass
class Fault:
    """What the next `times` requests meet whose path and query contain `path`: an HTTP `code`, or with None a connection that is cut.

    `after`: the request is carried out, and only its answer is lost. `seconds` of waiting come first; with `code` 200 that is all.
    """

    code: int | None = 500
    times: int = 1
    method: str = ""
    path: str = ""
    after: bool = False
    seconds: float = 0.0


@dataclass
class FakePipelines:
    """A server on a loopback port. Use it as a context: it answers inside. `requests` are (method, path) of all that was asked.

    `token` and `cookie` are asked for where given (else 401); with `login` whoever brings none is sent to a login page.
    `certificate`: files of a certificate and its key, to answer over TLS.
    `execute`: a folder for the logs of runs that really run, on this machine, with the environment `environment`.
    """

    release: str = RELEASE
    multi_user: bool = False
    token: str | None = None
    cookie: str | None = None
    login: bool = False
    forbidden: tuple[str, ...] = ()
    certificate: tuple[Path, Path] | None = None
    execute: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    state: State = field(default_factory=State)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    _server: _Server | None = None
    _executor: Executor | None = None

    @property
    def url(self) -> str:
        return f"{'http' if self.certificate is None else 'https'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Answer, on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        if self.execute is not None and self._executor is None:
            from ratchet.services.fake_pipelines.execution import Executor

            self._executor = Executor(self.state, self.execute, self.environment)
            self.state.started = self._executor.start

    def stop(self) -> None:
        """Refuse connections, as a server that is gone. What it knew is there when it starts again."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> FakePipelines:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._executor is not None:
            self._executor.stop()

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets; each counts down."""
        with self.state.lock:
            for one in self.faults:
                if one.times > 0 and one.path in path and one.method in ("", method):
                    one.times -= 1
                    return one
        return None

    def admit(self, headers: Mapping[str, str]) -> None:
        """Raise Refused for whoever does not show who they are."""
        if self.token is not None and headers.get("authorization") == f"Bearer {self.token}":
            return
        if self.cookie is not None and headers.get("cookie") == self.cookie:
            return
        if self.login:
            raise Refused(302, "/dex/auth")
        if self.token is not None or self.cookie is not None:
            raise Refused(401, "Unauthenticated: request header error: there is no user identity header")

    def answer(self, asked: Asked) -> Object:
        if asked.path.endswith("/healthz"):
            said = {"commit_sha": "fake", "tag_name": self.release, "multi_user": self.multi_user}
            return {**said, "pipeline_store": "database"}
        function, ids = route(asked.method, asked.path)
        named = asked.query.get("namespace") or (asked.body or {}).get("namespace")
        if named in self.forbidden:
            raise Refused(403, f"User is not authorized in namespace {named}")
        whole = Asked(**{**vars(asked), "ids": ids})
        return function(self.state, whole)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], fake: FakePipelines) -> None:
        self.fake = fake
        super().__init__(address, _Answering)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Answering(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        """The tests look at `requests`."""

    def do_GET(self) -> None:
        fake, raw = self.server.fake, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        fake.requests.append((self.command, path))
        fault = fake.fault(self.command, self.path)
        if fault is not None:
            time.sleep(fault.seconds)
            if not fault.after and fault.code != 200:
                self._fail(fault)
                return
        code, answer = self._carried_out(raw)
        if fault is not None and fault.after:
            self._fail(fault)
        else:
            self._send(code, answer)

    do_POST = do_DELETE = do_PATCH = do_GET

    def _carried_out(self, raw: bytes) -> tuple[int, Object]:
        fake = self.server.fake
        try:
            fake.admit({name.lower(): value for name, value in self.headers.items()})
            return 200, fake.answer(self._asked(raw))
        except Refused as refused:
            return refused.code, {"code": refused.code, "message": str(refused), "error": str(refused)}

    def _asked(self, raw: bytes) -> Asked:
        url, kind = urlsplit(self.path), self.headers.get("Content-Type", "")
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            body = json.loads(raw) if raw and "json" in kind else None
        except ValueError as error:
            raise Refused(400, f"the body is no JSON: {error}") from error
        return Asked(self.command, url.path, query, body, raw, kind, self.server.fake.multi_user)

    def _fail(self, fault: Fault) -> None:
        if fault.code is None:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self._send(fault.code, {"code": fault.code, "message": "a fault that was asked for"})

    def _send(self, code: int, value: Object) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        if code == 302:
            self.send_header("Location", str(value["message"]))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
