"""Webhooks a second on loopback, how long each takes, and whether a move of the alias is ever lost or doubled.

The trigger is served as `ratchet trigger serve` serves it, over a store and a registry in a folder, in a process of its own; the
client is another. While deliveries come, aliases move. The control is the barest FastAPI application (`bare_trigger.py`) under the
same server and the same client, turn by turn: what this machine gives at this moment. Each turn offers a fixed rate, whatever
becomes of the answers, and by itself as much as the client's connections can. `waited` says how long the server had work and no core.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from bench.result import Result
from bench.trigger_served import LOOPS, SECRET, Ground

CONNECTIONS = 16
PACE = 500


@dataclass
class Side:
    """One of the two servers, and what its turns gave: milliseconds at the pace, webhooks a second without one."""

    child: subprocess.Popen[bytes]
    port: int
    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    sent: int = 0
    before: float = 0.0

    def turn(self, seconds: float) -> None:
        waited, begun = _waited(self.child.pid), time.perf_counter()
        paced = _load(self.port, seconds, PACE)
        self.waited.append((_waited(self.child.pid) - waited) / (time.perf_counter() - begun))
        self.p50.append(_percentile(paced["seconds"], 50) * 1000)
        self.p99.append(_percentile(paced["seconds"], 99) * 1000)
        self.most.append(max(paced["seconds"]) * 1000)
        self.late.append(_percentile(paced["late"], 99) * 1000)
        fast = _load(self.port, seconds / 2, 0)
        self.rates.append(len(fast["seconds"]) / fast["wall"])
        self.sent += len(paced["seconds"]) + len(fast["seconds"])

    def end(self, sent: int) -> dict[str, Any]:
        """Its figures beside p99 and rate; it was sent so many in all."""
        cpu = (_cpu(self.child.pid) - self.before) / sent * 1e6
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(60)
        waited = statistics.median(self.waited)
        return {
            "cpu_us": round(cpu),
            "p50_ms": self.p50,
            "max_ms": self.most,
            "client_late_p99_ms": self.late,
            "waited": waited,
        }


def measure(quick: bool) -> list[Result]:
    seconds, turns = (2.0, 1) if quick else (10.0, 3)
    with tempfile.TemporaryDirectory() as place:
        ground = Ground(Path(place))
        ports = _free(), _free()
        ours = Side(_spawn("bench.trigger_served", place, str(ports[0])), ports[0])
        bare = Side(_spawn("bench.bare_trigger", str(ports[1])), ports[1])
        try:
            return _compare(ground, ours, bare, seconds, turns)
        finally:
            for side in (ours, bare):
                side.child.kill()
                side.child.wait()


def _compare(ground: Ground, ours: Side, bare: Side, seconds: float, turns: int) -> list[Result]:
    with Mover(ground, ours.port) as mover:
        for side in (ours, bare):
            side.before = _cpu(side.child.pid)
        for turn in range(turns):
            for side in (ours, bare) if turn % 2 else (bare, ours):
                side.turn(seconds)
    sent = ours.sent + mover.sent
    accepted = _metric(ours.port, 'ratchet_trigger_deliveries_total{outcome="accepted"}')
    shared = {"connections": CONNECTIONS, "moves": mover.moves, "deliveries": sent}
    detail = {**shared, "ours": ours.end(sent), "bare": bare.end(bare.sent)}
    median = statistics.median
    return [
        Result("trigger rate", "webhooks a second, verified and queued, as fast as the client can", 500, True,
               median(ours.rates), "webhooks/s", (), bare.rates, ours.rates, detail),
        Result("trigger p99", f"of {PACE} webhooks a second, from when each was due to its answer", 50, False,
               median(ours.p99), "ms", (), bare.p99, ours.p99, detail),
        Result("trigger lost", "deliveries not accepted, and moves without a round", 0, False,
               sent - accepted + mover.lost, "", detail=shared),
        Result("trigger doubled", "rounds beyond one a move", 0, False, mover.doubled, "", detail=shared),
    ]  # fmt: skip


class Mover:
    """Moves the alias of one loop after the other while deliveries come; each move waits for its round."""

    def __init__(self, ground: Ground, port: int) -> None:
        self._ground = ground
        self._port = port
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._move)
        self.moves = self.lost = self.doubled = self.sent = 0

    def _move(self) -> None:
        turn = 0
        while not self._end.is_set():
            loop = LOOPS[turn % len(LOOPS)]
            known = self._ground.started(loop)
            self._ground.move(loop)
            until = time.monotonic() + 20
            while self._ground.started(loop) == known and time.monotonic() < until:
                self._end.wait(0.05)
            self._end.wait(0.2)
            turn += 1

    def __enter__(self) -> Mover:
        _wait_for(self._port)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        # The last deliveries were sent before the last move perhaps: one more each, as MLflow would send it.
        self.sent += len(_load(self._port, 1.0, 50)["seconds"])
        time.sleep(1.0)
        for loop in LOOPS:
            moves, asks, started = self._ground.count(loop)
            self.moves += moves
            self.lost += max(0, moves - started)
            self.doubled += max(0, started - moves, asks - moves)


def _spawn(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SECRET": SECRET}
    return subprocess.Popen([sys.executable, "-m", module, *arguments], env=environment, stdout=subprocess.DEVNULL)


def _load(port: int, seconds: float, rate: int) -> dict[str, list[float]]:
    command = [sys.executable, "-m", "bench.trigger_load", str(port), str(seconds), str(CONNECTIONS), str(rate)]
    done = subprocess.run(
        [*command, ",".join(LOOPS)], env={**os.environ, "SECRET": SECRET}, capture_output=True, text=True, check=True
    )
    found: dict[str, list[float]] = json.loads(done.stdout)
    refused = [status for status in found["status"] if status != 202]
    if refused:
        raise RuntimeError(f"{len(refused)} deliveries were not accepted, the first with {refused[0]}")
    return found


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _metric(port: int, name: str) -> float:
    page = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    return next(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(f"{name} "))


def _cpu(pid: int) -> float:
    """CPU-seconds of a process so far, all of its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _waited(pid: int) -> float:
    """Seconds in which a process's main thread, the one that answers, was ready to run and had no core."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the trigger is not ready after a minute")


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
