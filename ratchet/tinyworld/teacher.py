"""A model folder behind OpenAI's chat protocol, so that the endpoint engine has a real server where no vLLM is.

    python -m ratchet.tinyworld.teacher --port 8000 [--folder DIR] [--name NAME] [--host 127.0.0.1]

It serves /v1/models and /v1/chat/completions: pictures as data URLs, n, seed, stop texts, log-probabilities, and vLLM's fields for
token ids, kept stop texts and going on from a beginning. transformers runs the model, one request at a time; no streaming. A
field that it does not know is refused, since its answer would not heed it.
"""

from __future__ import annotations

import argparse
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ratchet.errors import ServiceError
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.tinyworld.teacher_chat import NAME, Refusal, Teacher

__all__ = ["NAME", "Teacher", "bound", "main", "serving"]

log = logging.getLogger(__name__)
MOST_BYTES = 64 * 2**20


class _Handler(BaseHTTPRequestHandler):
    teacher: Teacher
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: a small answer must not wait for the peer's delayed acknowledgement

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send(200, self.teacher.models())
        elif self.path == "/health":
            self._send(200, {})
        else:
            self._send(404, _error(404, f"no such address: {self.path}"))

    def do_POST(self) -> None:
        try:
            size = int(self.headers.get("Content-Length") or 0)
            if size > MOST_BYTES:
                self.close_connection = True
                raise Refusal(413, f"{size} bytes are more than {MOST_BYTES}")
            content = self.rfile.read(size)
            if self.path != "/v1/chat/completions":
                raise Refusal(404, f"no such address: {self.path}")
            self._send(200, self.teacher.chat(json.loads(content)))
        except Refusal as refusal:
            self._send(refusal.status, _error(refusal.status, str(refusal)))
        except ValueError as error:
            self._send(400, _error(400, f"the body is not JSON: {error}"))
        except Exception as error:
            log.exception("a request failed")
            self._send(500, _error(500, f"{type(error).__name__}: {error}"))

    def _send(self, status: int, reply: dict[str, Any]) -> None:
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _error(status: int, words: str) -> dict[str, Any]:
    return {"error": {"message": words, "type": "invalid_request_error", "code": status}}


def bound(teacher: Teacher, host: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """A server that answers once its serve_forever runs. Port 0 takes a free one. Raises ServiceError for a taken one."""
    try:
        return _Server((host, port), type("Handler", (_Handler,), {"teacher": teacher}))
    except OSError as error:
        raise ServiceError(f"cannot listen at {host}:{port} ({error}); give another --port or --host") from error


@contextmanager
def serving(teacher: Teacher) -> Iterator[str]:
    """Serve on loopback for the block; gives the base address, such as http://127.0.0.1:40001/v1."""
    server = bound(teacher)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m ratchet.tinyworld.teacher",
        description="A model behind OpenAI's chat protocol.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=SEED_DIR, help="the model")
    parser.add_argument("--name", default=NAME, help="what the model is called")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in; there is no key")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    server = bound(Teacher(given.folder, given.name), given.host, given.port)
    log.info("%s at http://%s:%d/v1", given.name, given.host, server.server_port)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        log.info("ended")
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
