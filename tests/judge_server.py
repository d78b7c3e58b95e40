"""A judge behind OpenAI's protocol on loopback that says what a script says, counts what it is asked, and can be held or lost."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.endpoint_replies import asked_of, pictures_of
from tests.endpoints import LoopbackServer

MODEL = "judge-1"
PROMPT_TOKENS = 40


class JudgeServer:
    """`said(text)` is the reply. `asked` counts texts, `replied` those that got their reply out.

    `hold_after`: so many replies, and the rest wait for `release`. `down`: every request gets HTTP 500.
    """

    def __init__(self, said: Callable[[str], str], seconds: float = 0.0) -> None:
        self.said, self.seconds = said, seconds
        self.asked: Counter[str] = Counter()
        self.replied: Counter[str] = Counter()
        self.pictures = 0
        self.hold_after: int | None = None
        self.release = threading.Event()
        self.down = False
        self.broken: set[str] = set()
        self.url = ""
        self._lock = threading.Lock()

    def reply(self, body: dict[str, Any]) -> dict[str, Any] | None:
        text = asked_of(body)
        with self._lock:
            self.asked[text] += 1
            self.pictures += len(pictures_of(body))
            held = self.hold_after is not None and self.replied.total() >= self.hold_after
            if not held:
                self.replied[text] += 1
        if held:
            self.release.wait(600)
            return None
        if self.down or text in self.broken:
            return None
        time.sleep(self.seconds)
        words = self.said(text)
        tokens = len(words.split()) + 1
        return {
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": words},
                    "finish_reason": "stop",
                    "token_ids": [1] * tokens,
                    "logprobs": {"content": [{"logprob": -0.1}] * tokens},
                }
            ],
            "usage": {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": tokens},
        }


class _Handler(BaseHTTPRequestHandler):
    judge: JudgeServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.judge.down:
            self._send(500, {"error": "down"})
        else:
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        found = self.judge.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._send(*((500, {"error": "lost"}) if found is None else (200, found)))

    def _send(self, status: int, reply: dict[str, Any]) -> None:
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def serving(judge: JudgeServer) -> Iterator[JudgeServer]:
    """Serve on loopback for the block."""
    server = LoopbackServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"judge": judge}))
    judge.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        judge.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
