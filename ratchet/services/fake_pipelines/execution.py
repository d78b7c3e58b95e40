"""Runs that really run: each one a process of this machine with kfp.local, under the id that the API has given it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ratchet import canonical
from ratchet.services.fake_pipelines.bodies import Object
from ratchet.services.fake_pipelines.state import OPEN, State

LOOK_SECONDS = 0.2


class Executor:
    """Starts runs of the state, and ends them with it. A log of each is `<folder>/<run id>.log`."""

    def __init__(self, state: State, folder: Path, environment: Mapping[str, str]) -> None:
        self._state, self._folder, self._environment = state, folder, environment
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, run: Object) -> None:
        thread = threading.Thread(target=self._run, args=(run,), name=f"run {run['run_id']}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """End what still runs."""
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _run(self, run: Object) -> None:
        name = run["run_id"]
        arguments = (run.get("runtime_config") or {}).get("parameters") or {}
        command = [sys.executable, "-m", "ratchet.services.fake_pipelines.round", name]
        with (self._folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                [*command, canonical.dumps(arguments).decode()],
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._state.advance(name, "RUNNING")
            self._watch(name, child)

    def _watch(self, name: str, child: subprocess.Popen[bytes]) -> None:
        while True:
            with suppress(subprocess.TimeoutExpired):
                code = child.wait(LOOK_SECONDS)
                state = "SUCCEEDED" if code == 0 else "FAILED"
                self._state.advance(name, state, None if code == 0 else f"the run ended with status {code}")
                return
            state = self._state.runs[name]["state"]
            if self._ended.is_set() or state not in ("PENDING", "RUNNING"):
                # As a cluster does it: the pods are killed, and no task of the run comes any more.
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                if state in OPEN:
                    self._state.advance(name, "CANCELED")
                return
