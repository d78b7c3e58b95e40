"""A user and password in an address go to the server that it names, and nowhere else."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ratchet.errors import RegistryError
from ratchet.preflight.http import ask
from ratchet.registry.mlflow_registry import MlflowRegistry
from ratchet.settings import without_login

SEEN: list[str | None] = []


class Says(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        SEEN.append(self.headers.get("Authorization"))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    SEEN.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Says)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_preflight_shows_them_as_a_header(port: int) -> None:
    assert ask(f"http://some%40one:pa%2Fss@127.0.0.1:{port}/health").status == 200
    assert [f"Basic {base64.b64encode(b'some@one:pa/ss').decode()}"] == SEEN
    ask(f"http://127.0.0.1:{port}/health")
    assert SEEN[1] is None


def test_the_registry_names_its_address_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}.items():
        monkeypatch.setenv(name, value)
    registry = MlflowRegistry("http://user:geheim@127.0.0.1:9")
    assert registry.uri == "http://***@127.0.0.1:9"
    with pytest.raises(RegistryError) as raised:
        registry.champion("mine")
    assert "geheim" not in str(raised.value)
    assert "127.0.0.1:9" in str(raised.value)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("https://a:b@host/x and s3://bucket/a@b", "https://***@host/x and s3://bucket/a@b"),
        ("http://token@host", "http://***@host"),
        ("mail me@host", "mail me@host"),
    ],
)
def test_only_what_stands_before_a_host_is_left_out(words: str, shown: str) -> None:
    assert without_login(words) == shown
