"""Rounds as processes of this machine: one run a request, one round a loop, whoever is killed when."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.operations import local_round
from ratchet.operations.local_starter import LocalStarter, Order, open_lock, read_record
from ratchet.operations.starting import RoundRequest
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.trigger_processes import PATIENCE, ROOT, within

LOOP = "mine"


def request(key: str = "move-1", recipe: str = "rft") -> RoundRequest:
    return RoundRequest(loop=LOOP, recipe=recipe, key=key, why="a test")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A loop without champion: a round of it fails in begin, which is soon."""
    return Settings(root=f"file://{tmp_path}/store", registry="store")


@pytest.fixture
def starter(settings: Settings, tmp_path: Path) -> LocalStarter:
    return LocalStarter(settings, tmp_path / "runs")


def ended(starter: LocalStarter) -> bool:
    return within(PATIENCE, lambda: starter.running(LOOP) == [] and not starter._children)


def logs(folder: Path) -> str:
    return "".join(p.read_text() for p in sorted((folder / "runs" / LOOP / "logs").glob("*.log")))


@pytest.mark.slow
def test_a_request_is_one_run_that_is_known_while_it_runs_and_after(starter: LocalStarter, tmp_path: Path) -> None:
    first = starter.start(request())
    assert first.new
    assert [(run.run, run.state) for run in starter.running(LOOP)] == [(first.run, "running")]
    again = LocalStarter(starter._settings, tmp_path / "runs")
    assert again.start(request()).model_dump() == {"run": first.run, "new": False, "url": None}
    assert [run.run for run in again.running(LOOP)] == [first.run], "a starter that is started again knows of it"
    assert ended(starter)
    assert "has no champion" in logs(tmp_path), "the round itself was run, and its log kept"
    assert again.start(request()).new is False


@pytest.mark.slow
def test_a_starter_that_is_killed_when_it_has_asked_makes_one_run(settings: Settings, tmp_path: Path) -> None:
    """Killed at once after the process was spawned, again and again: the request becomes a run, and one only."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import ratchet.operations.local_starter as module\n"
        "from ratchet.operations.starting import RoundRequest\n"
        "from ratchet.settings import Settings\n"
        "module._first_word = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "settings = Settings.model_validate_json(sys.argv[1])\n"
        "module.LocalStarter(settings, Path(sys.argv[2])).start(RoundRequest.model_validate_json(sys.argv[3]))\n"
    )
    command = [
        sys.executable,
        "-c",
        code,
        settings.model_dump_json(),
        str(tmp_path / "runs"),
        request().model_dump_json(),
    ]
    codes = [subprocess.run(command, cwd=ROOT, check=False, env={**os.environ}).returncode for _ in range(3)]
    assert codes[0] == -signal.SIGKILL
    assert set(codes) <= {0, -signal.SIGKILL}, "0: the run of an earlier one was known by then"
    store = open_store(settings.root)
    assert within(PATIENCE, lambda: read_record(store, request()) is not None)
    starter = LocalStarter(settings, tmp_path / "runs")
    found = starter.start(request())
    assert not found.new
    assert ended(starter)
    time.sleep(1.0)
    assert len(list(store.list(f"{rounds.loop_prefix(LOOP)}/local/"))) == 1
    assert logs(tmp_path).count("has no champion to start from. Register") >= 1


@pytest.mark.slow
def test_a_loop_that_works_already_takes_no_other_round(starter: LocalStarter, tmp_path: Path) -> None:
    from ratchet.errors import PlatformError

    with open_lock(tmp_path / "runs", LOOP) as lock:
        place = lock.name
    held = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys, time\nf = open(sys.argv[1], 'a+')\nfcntl.flock(f, fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(600)",
            str(place),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        assert len(starter.running(LOOP)) == 1
        with pytest.raises(PlatformError, match="busy"):
            starter.start(request())
    finally:
        held.kill()
        held.communicate()
    assert ended(starter), "a lock ends with who held it"
    assert read_record(open_store(starter._settings.root), request()) is None, "so the request can be made again"


def test_one_that_looks_at_this_very_moment_is_not_taken_for_a_round_that_works(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starter: LocalStarter
) -> None:
    order = Order(request=request(), settings=settings, folder=tmp_path / "runs")
    looking = open_lock(order.folder, LOOP)
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert starter.running(LOOP) == [], "who looks is no round"
    # The look ends when it is waited for.
    monkeypatch.setattr(time, "sleep", lambda _: looking.close())
    monkeypatch.setattr(local_round, "_run", lambda _: 0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(order.model_dump_json().encode())))
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "argv", ["local_round", str(writing)])
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert local_round.main() == 0
    finally:
        signal.signal(signal.SIGTERM, before)
        looking.close()
    with os.fdopen(reading) as said:
        assert said.read() == "begun\n"


def test_nothing_runs_on_a_machine_that_has_started_nothing(starter: LocalStarter) -> None:
    assert starter.running(LOOP) == []
