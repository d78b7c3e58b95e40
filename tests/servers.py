"""Real servers for the tests: SeaweedFS and MLflow, started once a session and only when a test asks for them.

`s3_root` is an empty S3 prefix, `mlflow_uri` a tracking server, `faulty_s3` an S3 that misbehaves on demand. Each sets the
environment for its test alone, so code under test finds its servers as it does in real life.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest

from ratchet.services import Services, start
from ratchet.services.mlflow_server import mlflow_server
from ratchet.services.settings import free_ports

Fault = Literal["503", "409", "reset", "lost", "truncate", "corrupt", "stall"]
STALL_SECONDS = 30.0


@pytest.fixture(scope="session")
def s3_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """SeaweedFS for the whole session."""
    with start(tmp_path_factory.mktemp("services"), mlflow=False) as services:
        yield services


@pytest.fixture(scope="session")
def mlflow_session(s3_services: Services) -> Iterator[str]:
    """MLflow for the whole session. It carries the token of `s3_services`, whose end also ends its children."""
    # A port of now: the one that was drawn with those of `s3_services` may have been taken since.
    ports = {**s3_services.settings.ports, "mlflow": free_ports()["mlflow"]}
    settings = s3_services.settings.model_copy(update={"ports": ports})
    server = mlflow_server(s3_services.folder, settings, s3_services.environment())
    server.spawn()
    server.wait()
    yield settings.url("mlflow")
    assert server.child is not None
    # No polite end: it may take longer than a busy machine's patience, and a child that runs on is a warning, so an error.
    server.child.kill()
    server.child.wait(60)


@pytest.fixture
def s3_root(s3_services: Services, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of an empty S3 prefix of its own; credentials and endpoint are in the environment."""
    for name, value in s3_services.environment().items():
        monkeypatch.setenv(name, value)
    root = f"s3://ratchet/test-{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("RATCHET_ROOT", root)
    return root


@pytest.fixture
def mlflow_uri(s3_root: str, mlflow_session: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of the session's MLflow, shared by all tests: use names of your own. S3 is set as by `s3_root`."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_session)
    return mlflow_session


@pytest.fixture(params=["folder", "s3"])
def store_root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty root of either kind: tests that take it run on both."""
    if request.param == "s3":
        return str(request.getfixturevalue("s3_root"))
    return f"file://{tmp_path}/store"


class FaultyS3:
    """A proxy before a real S3 that spoils the next requests as planned. `root` as in `s3_root`."""

    def __init__(self, root: str, upstream: str) -> None:
        self.root = root
        self.upstream = upstream
        self.seen: list[str] = []
        self._plan: list[tuple[Fault, str | None]] = []
        self._lock = threading.Lock()

    def plan(self, *faults: Fault, method: str | None = None) -> None:
        """Spoil the next requests (of this HTTP method only), one fault each, in order.

        503, 409: answered without reaching S3. reset: connection cut before S3 sees it. lost: S3 does it, the answer is
        cut. truncate, corrupt: half of the body, or one changed byte. stall: silence, then a cut.
        """
        with self._lock:
            self._plan += [(fault, method) for fault in faults]

    def take(self, method: str) -> Fault | None:
        """The fault for a request that just came, if one is planned for it."""
        with self._lock:
            self.seen.append(method)
            for index, (fault, wanted) in enumerate(self._plan):
                if wanted in (None, method):
                    del self._plan[index]
                    return fault
        return None


@pytest.fixture
def faulty_s3(s3_root: str, s3_services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    """S3 behind a proxy that spoils requests on demand: 3 attempts, and more patience than a busy machine takes of.

    Who plans a silence sets a shorter one: `RATCHET_S3_TIMEOUT`, seconds without a byte.
    """
    proxy = FaultyS3(s3_root, s3_services.settings.url("s3"))
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("RATCHET_S3_ATTEMPTS", "3")
    monkeypatch.setenv("RATCHET_S3_TIMEOUT", "20")
    yield proxy
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyS3
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.take(self.command)
        if fault in ("503", "409"):
            code = {"503": "SlowDown", "409": "ConditionalRequestConflict"}[fault]
            self._answer(int(fault), [], f"<Error><Code>{code}</Code></Error>".encode())
        elif fault in ("reset", "stall"):
            time.sleep(STALL_SECONDS if fault == "stall" else 0)
            self._cut()
        else:
            self._forward(body, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        upstream = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=30)
        try:
            # The Host header goes through unchanged: it is signed.
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        if fault == "lost":
            self._cut()
            return
        if fault == "corrupt" and content:
            content = bytes([content[0] ^ 1]) + content[1:]
        self._answer(answer.status, answer.getheaders(), content, half=fault == "truncate")

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, *, half: bool = False) -> None:
        self.send_response_only(status)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", lengths[0] if lengths and self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if half else content)
        if half:
            self._cut()

    def _cut(self) -> None:
        """End the connection with a reset instead of a polite close."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        self.rfile.close()

    def log_message(self, format: str, *args: object) -> None:
        return
