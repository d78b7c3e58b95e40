"""A small HTTP server on loopback whose every answer the test decides."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, Mapping[str, str], bytes]
Decide = Callable[[str, str, Mapping[str, str]], Answer]
"""From method, path and headers (lower case) to status, headers and body."""


@dataclass
class Loopback:
    """`url` of the server; `asked` has (method, path) of all requests. `date` replaces the header of that name."""

    decide: Decide
    url: str = ""
    date: str | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    loopback: Loopback
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.loopback.asked.append((self.command, self.path))
        lower = {name.lower(): value for name, value in self.headers.items()}
        status, headers, body = self.loopback.decide(self.command, self.path, lower)
        self.send_response_only(status)
        if "Date" not in headers:
            self.send_header("Date", self.loopback.date or self.date_time_string())
        for name, value in headers.items():
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


@contextmanager
def serving(decide: Decide, context: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    loopback = Loopback(decide)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"loopback": loopback}))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    loopback.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield loopback
    finally:
        server.shutdown()
        server.server_close()


def saying(status: int = 200, body: bytes = b"", **headers: str) -> Decide:
    """The same answer for all."""
    return lambda *_: (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
