"""S3 and MLflow that fail, lie, stall or go away under a round."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratchet import loop, rounds
from ratchet.artifacts import GROUPS, Artifact
from ratchet.begin import begin
from ratchet.errors import RegistryUnavailable, StoreUnavailable
from ratchet.finish import finish
from ratchet.services import Services
from ratchet.services.mlflow_server import mlflow_server
from ratchet.services.server import Server
from ratchet.services.settings import free_ports
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.e2e.rounds import objects
from tests.e2e.steps import LOOP, options, own_cache, step
from tests.micro import MICRO
from tests.servers import Fault, FaultyS3

__all__ = ["own_cache"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def mortal_mlflow(s3_root: str, s3_services: Services, tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """An MLflow of this test alone, on a port that stays the same; calling it starts it again."""
    ports = {**s3_services.settings.ports, "mlflow": free_ports()["mlflow"]}
    settings = s3_services.settings.model_copy(update={"ports": ports})
    started: list[Server] = []

    def start() -> Server:
        server = mlflow_server(tmp_path, settings, s3_services.environment())
        server.spawn()
        server.wait()
        started.append(server)
        return server

    yield start
    for server in started:
        _kill(server)


def _kill(server: Server) -> None:
    assert server.child is not None
    if server.child.poll() is None:
        os.killpg(server.child.pid, signal.SIGKILL)
    server.child.wait()


def test_a_registry_that_dies_before_the_promotion_fails_the_round_and_promote_completes_it(
    mortal_mlflow: Callable[[], Server], s3_root: str, tiny_seed: Path
) -> None:
    name = "mortal"
    server = mortal_mlflow()
    uri = f"http://127.0.0.1:{server.command[server.command.index('--port') + 1]}"
    settings = Settings(root=s3_root, registry=uri)
    loop.init_loop(settings, name, str(tiny_seed))
    start = 0.0

    def watch(stage: str) -> None:
        nonlocal start
        if stage == "promote":
            start = time.monotonic()
            _kill(server)

    with pytest.raises(RegistryUnavailable, match="did not answer when asked to"):
        loop.run_in_process(settings, options(name=name), watch=watch)
    assert time.monotonic() - start < 240, "it is not asked for ever"
    store = open_store(s3_root)
    end = rounds.read_end(store, name, 1)
    assert end is not None
    assert end.state == "FAILED"
    assert end.reason.startswith("promote: RegistryUnavailable: MLflow at http://127.0.0.1:")
    assert "`ratchet promote` completes the round later, nothing is lost" in end.reason
    before = {k: v for k, v in objects(store).items() if "/evaluate-" in k or "/train-" in k}
    mortal_mlflow()
    loop.run_stage(settings, name, "promote")
    done = finish(loop.ticket_of(settings, name, None).job, name, settings)
    assert (done.state, done.champion) == ("PROMOTED", "2")
    assert rounds.read_end(store, name, 1) == done
    assert before.items() <= objects(store).items()


@pytest.mark.parametrize("fault", ["503", "reset", "lost", "truncate", "corrupt", "stall"])
def test_a_stage_survives_faults_of_s3(
    faulty_s3: FaultyS3, tiny_seed: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the planned silence may take longer than our patience, not a busy machine.
    monkeypatch.setenv("RATCHET_S3_ATTEMPTS", "8")
    if fault == "stall":
        monkeypatch.setenv("RATCHET_S3_TIMEOUT", "3")
    name = f"faulty-{fault}"
    settings = Settings(root=faulty_s3.root, registry="store")
    loop.init_loop(settings, name, str(tiny_seed))
    ticket = begin("run", options(MICRO, name), settings)
    faulty_s3.plan(fault, method="GET")
    if fault not in ("truncate", "corrupt"):
        faulty_s3.plan(fault, method="PUT")
    step(settings, ticket, "generate")
    faulty_s3.plan(fault, method="GET")
    made = step(settings, ticket, "verify")
    ids = [g.prompt.id for g in Artifact.open(open_store(settings.root), made.uri, GROUPS).rows()]
    assert len(ids) == len(set(ids)) == 27


def test_a_dead_s3_is_named_with_its_address(
    faulty_s3: FaultyS3, tiny_seed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(root=faulty_s3.root, registry="store")
    loop.init_loop(settings, LOOP, str(tiny_seed))
    ticket = begin("run", options(MICRO), settings)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match=address):
        loop._run("generate", ticket, {}, settings)
    assert time.monotonic() - start < 240, "it is not asked for ever"
