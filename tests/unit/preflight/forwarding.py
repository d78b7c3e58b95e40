"""A server before the real S3 that refuses one method, or is ignores the conditions of puts."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

_HOPS = ("content-length", "transfer-encoding", "connection")
DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


class _Handler(BaseHTTPRequestHandler):
    upstream = ""
    refused: str | None = None
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == self.refused:
            self._answer(403, [], DENIED)
            return
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        status, content = answer.status, answer.read()
        if self.refused is None and status == 412:
            # Conditions are signed, so they cannot be left out: a server that ignores them says yes to all.
            self._answer(200, [("ETag", '"ignored"')], b"")
        else:
            self._answer(status, answer.getheaders(), content)
        connection.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        length = next((value for name, value in headers if name.lower() == "content-length"), None)
        for name, value in headers:
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length if length and self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def _running(upstream: str, refused: str | None) -> Iterator[str]:
    places = {"upstream": urlsplit(upstream).netloc, "refused": refused}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), places))
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def refusing(method: str, upstream: str) -> Iterator[str]:
    """Every request of this method is denied."""
    with _running(upstream, method) as url:
        yield url


@contextmanager
def deaf(upstream: str) -> Iterator[str]:
    """A put whose condition does not hold is said to be done."""
    with _running(upstream, None) as url:
        yield url
