"""The trigger as a process, and an MLflow server that may send webhooks to this machine."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from ratchet.services import server as processes
from ratchet.services.mlflow_server import mlflow_server
from ratchet.services.settings import renew

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 200.0
"""Seconds after which something hangs, however slow the machine is."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def within(seconds: float, true: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


class Trigger:
    """`tests.triggered` served on one port, started and killed as a test likes."""

    def __init__(
        self, folder: Path, *, poll: float = 3600.0, webhooks: bool = True, tracking: str | None = None
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = [
            str(folder),
            str(self.port),
            str(poll),
            "yes" if webhooks else "no",
            *filter(None, [tracking]),
        ]
        self.log = folder / "trigger.log"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.triggered", *self._arguments]
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=out, stderr=out)
        assert within(PATIENCE, self.ready), self.log.read_text()

    def ready(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def end(self, number: signal.Signals) -> int:
        """Its exit status."""
        assert self._child is not None
        self._child.send_signal(number)
        code = self._child.wait(PATIENCE)
        self._child = None
        return code

    def metric(self, line: str) -> float:
        page = requests.get(f"{self.url}/metrics", timeout=60).text
        return next((float(one.rsplit(" ", 1)[1]) for one in page.splitlines() if one.startswith(f"{line} ")), 0.0)

    def __enter__(self) -> Trigger:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()


@contextmanager
def webhook_mlflow(folder: Path) -> Iterator[str]:
    """A real MLflow server with webhooks to loopback allowed; its tracking URI."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = renew(None, mlflow=True, same_ports=False)
    allowed = {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(b"0" * 32).decode(),
        # A webhook that is made is seen at once, and not only when a cache of a minute is over.
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",
    }
    server = mlflow_server(folder, settings, allowed)
    server.spawn()
    try:
        server.wait()
        yield settings.url("mlflow")
    finally:
        processes.stop(settings.token)
        server.reap()
