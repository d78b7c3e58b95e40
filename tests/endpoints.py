"""A real HTTP server on loopback that speaks OpenAI's chat protocol as vLLM does, and misbehaves on demand.

It answers from a hash of what it is asked: the same question, pictures, seed and parameters get the same
answers. No model runs; `ratchet.tinyworld.teacher` serves a real one.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ratchet.generate.engines.endpoint_pace import Pace
from tests.endpoint_replies import asked_of, reply_of, spoiled

MODEL = "teacher-1"
STALL_SECONDS = 5.0

STATUSES = {
    "408": 408,
    "409": 409,
    "425": 425,
    "429": 429,
    "500": 500,
    "502": 502,
    "503": 503,
    "529": 529,
    "400": 400,
    "401": 401,
    "402": 402,
    "403": 403,
    "404": 404,
    "413": 413,
    "422": 422,
}
DEEP = "[" * 900 + "]" * 900
RAW = {
    "nested": (200, b"[" * 200_000),
    "deep_choices": (200, f'{{"model": "{MODEL}", "choices": {DEEP}}}'.encode()),
    "deep_index": (200, f'{{"model": "{MODEL}", "choices": [{{"index": {DEEP}}}, {{"index": 1}}]}}'.encode()),
    "deep_model": (200, f'{{"model": {DEEP}, "choices": []}}'.encode()),
    "deep_reason": (
        200,
        f'{{"model": "{MODEL}", "choices": [{{"index": 0, "finish_reason": {DEEP}}}, {{"index": 1}}]}}'.encode(),
    ),
    "nested400": (400, b"[" * 200_000),
    "deep400": (400, f'{{"error": {DEEP}}}'.encode()),
    "surrogate400": (400, rb'{"error": {"message": "no \ud83d"}}'),
    "surrogate200": (200, rb'{"error": "busy \ud83d"}'),
    "surrogate_model": (200, rb'{"model": "\ud83d", "choices": []}'),
}
"""Replies to the letter: nested without end, or as deep as a parser takes, and half surrogate pairs in a server's words."""
TRANSIENT = ("408", "409", "425", "429", "500", "502", "503", "html", "cut", "empty", "fewer", "truncate", "reset")
"""Faults that pass: the next try of the same request may be answered. `stall` passes as well, and takes its time."""


@dataclass
class Clock:
    """Time that passes only when somebody sleeps. `waits` are the seconds of each sleep."""

    time: float = 1000.0
    waits: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    def pace(self) -> Pace:
        return Pace(now=lambda: self.time, wall=lambda: 1_800_000_000 + self.time, sleep=self.sleep)


class FaultyEndpoint:
    """The server's plan and what it has seen. `url` ends in /v1. `key`: demanded, where it is not None."""

    def __init__(self, models: tuple[str, ...] = (MODEL,), key: str | None = None) -> None:
        self.models = models
        self.key = key
        self.url = ""
        self.headers: dict[str, str] = {}
        self.words: dict[str, str] = {}
        self.max_model_len: int | None = None
        self.seen: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.most_at_once = 0
        self.keep = True
        self.closing = threading.Event()
        self._next: list[str] = []
        self._for: dict[str, list[str]] = defaultdict(list)
        self._always: list[str] = []
        self._lock = threading.Lock()
        self._now = 0

    def plan(self, *faults: str, question: str | None = None, always: bool = False) -> None:
        """Spoil the next requests, one fault each: of all, or of those that ask `question`. `always`: each, for ever."""
        with self._lock:
            if always:
                self._always = list(faults)
            elif question is None:
                self._next += faults
            else:
                self._for[question] += faults

    def begin(self, body: dict[str, Any]) -> str | None:
        """Note a request that just came; the fault that is planned for it."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            if self.keep:
                self.seen.append(body)
            mine = self._for.get(asked_of(body))
            if mine:
                return mine.pop(0)
            if self._next:
                return self._next.pop(0)
            return self._always[0] if self._always else None

    def end(self) -> None:
        with self._lock:
            self._now -= 1


class _Handler(BaseHTTPRequestHandler):
    endpoint: FaultyEndpoint
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.endpoint.paths.append(self.path)
        fault = self.endpoint.begin({"messages": [{"role": "user", "content": "GET"}]})
        try:
            length = self.endpoint.max_model_len
            models = [{"id": name, "object": "model", "max_model_len": length} for name in self.endpoint.models]
            self._respond(fault, {"object": "list", "data": models})
        finally:
            self.endpoint.end()

    def do_POST(self) -> None:
        self.endpoint.paths.append(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        fault = self.endpoint.begin(body)
        try:
            self._respond(fault, spoiled(reply_of(body), fault or ""))
        finally:
            self.endpoint.end()

    def _respond(self, fault: str | None, reply: dict[str, Any]) -> None:
        key = self.endpoint.key
        given = self.headers.get("Authorization")
        if key is not None and given != f"Bearer {key}":
            self._send(401, json.dumps({"error": {"message": f"bad key: {given}"}}).encode())
        elif fault == "echo_key":
            self._send(500, json.dumps({"error": {"message": f"crashed on {given}"}}).encode())
        elif fault == "echo_key_400":
            self._send(400, json.dumps({"error": {"message": f"bad request {dict(self.headers)}"}}).encode())
        elif fault == "too_long":
            words = "This model's maximum context length is 256 tokens. However, you requested 300 tokens."
            self._send(400, json.dumps({"error": {"message": words, "type": "BadRequestError", "code": 400}}).encode())
        elif fault == "html200" or fault == "html":
            self._send(200, b"<!DOCTYPE html><html><body>Log in</body></html>", "text/html")
        elif fault in RAW:
            self._send(*RAW[fault])
        elif fault == "redirect":
            self._send(307, b"", extra={"Location": "http://127.0.0.2:1/v1"})
        elif fault in STATUSES:
            words = self.endpoint.words.get(fault, f"status {fault}")
            self._send(STATUSES[fault], json.dumps({"error": {"message": words}}).encode(), extra=self.endpoint.headers)
        else:
            self._deliver(fault, json.dumps(reply).encode())

    def _deliver(self, fault: str | None, content: bytes) -> None:
        if fault == "cut":
            self._send(200, content[: len(content) // 2])
        elif fault in ("reset", "truncate"):
            if fault == "truncate":
                self._send(200, content, cut=True)
            self._cut()
        elif fault == "stall":
            self.endpoint.closing.wait(STALL_SECONDS)
            self._cut()
        elif fault == "drip":
            self._drip(content)
        else:
            if fault == "slow":
                time.sleep(0.15)
            self._send(200, content, extra=self.endpoint.headers if fault == "limits" else None)

    def _drip(self, content: bytes) -> None:
        """One byte now and then: each read succeeds, the whole never does."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for byte in content:
            if self.endpoint.closing.wait(0.02):
                break
            try:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            except OSError:
                break
        self.close_connection = True

    def _send(
        self,
        status: int,
        content: bytes,
        kind: str = "application/json",
        extra: dict[str, str] | None = None,
        cut: bool = False,
    ) -> None:
        self.send_response(status)
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content[: len(content) // 2] if cut else content)
        except OSError:
            self.close_connection = True

    def _cut(self) -> None:
        """End the connection with a reset instead of a polite close."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        self.rfile.close()

    def log_message(self, format: str, *args: object) -> None:
        return


class LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or is killed, is part of the tests."""


@contextmanager
def serving(endpoint: FaultyEndpoint, context: ssl.SSLContext | None = None) -> Iterator[FaultyEndpoint]:
    """Run the server for the block; `context` makes it https."""
    server = LoopbackServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"endpoint": endpoint}))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    endpoint.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
