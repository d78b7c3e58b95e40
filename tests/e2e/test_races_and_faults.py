"""Several runs of one loop, servers that go away, and what training must never read."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet import loop, rounds
from ratchet import stage as stages
from ratchet.artifacts import GROUPS, Artifact
from ratchet.begin import BeginOptions, begin
from ratchet.errors import LeaseHeld, LeaseLost, RegistryUnavailable, StoreUnavailable
from ratchet.finish import finish
from ratchet.promptset import find, open_part
from ratchet.registry import open_registry
from ratchet.registry.promotion import history
from ratchet.rounds import Ticket
from ratchet.services import Services
from ratchet.services.mlflow_server import mlflow_server
from ratchet.services.server import Server
from ratchet.services.settings import free_ports
from ratchet.settings import Settings
from ratchet.stage import STEPS, run_ticket
from ratchet.store import FolderStore, Store, open_store
from tests.e2e.rounds import LEARNING, objects
from tests.micro import MICRO, settings_in
from tests.servers import Fault, FaultyS3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LOOP = "races"
spawn = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("RATCHET_CACHE", str(tmp_path_factory.getbasetemp() / "races-cache"))
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture
def settings(tmp_path: Path, tiny_seed: Path) -> Settings:
    made = settings_in(tmp_path)
    loop.init_loop(made, LOOP, str(tiny_seed))
    return made


def options(recipe: str = LEARNING, name: str = LOOP, **more: Any) -> BeginOptions:
    return BeginOptions(loop=name, recipe=recipe, **more)


def step(settings: Settings, ticket: Ticket, name: str) -> Any:
    done = rounds.manifests(open_store(settings.root), ticket.loop, ticket.number)
    return run_ticket(name, ticket, {p: done[p].uri for p in STEPS[name].parents}, settings)


def steps(settings: Settings, ticket: Ticket, until: str) -> None:
    """Run the stages before `until`."""
    for name in STEPS:
        if name == until:
            return
        step(settings, ticket, name)


def begin_in_process(settings: Settings, job: str, start: Any, said: Any) -> None:
    start.wait()
    try:
        said.put((job, begin(job, options(), settings).number, ""))
    except LeaseHeld as error:
        said.put((job, None, str(error)))


def test_of_begins_that_race_one_gets_the_round_and_the_others_its_name(settings: Settings) -> None:
    start, said = spawn.Barrier(3), spawn.Queue()
    runs = [spawn.Process(target=begin_in_process, args=(settings, f"run-{n}", start, said)) for n in range(3)]
    for one in runs:
        one.start()
    answers = [said.get(timeout=240) for _ in runs]
    for one in runs:
        one.join(60)
    (winner,) = [job for job, number, _ in answers if number == 1]
    for job, number, message in answers:
        if job != winner:
            assert number is None
            assert f"held by '{winner}' (epoch 1)" in message
    assert rounds.numbers(open_store(settings.root), LOOP) == [1]


def test_a_dead_holder_is_followed_after_its_time_and_its_return_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "2")
    store = open_store(settings.root)
    old = begin("old", options(), settings)
    steps(settings, old, "evaluate")
    with pytest.raises(LeaseHeld, match="held by 'old'"):
        begin("new", options(), settings)
    monkeypatch.setenv("RATCHET_LEASE_WAIT", "30")
    new = begin("new", options(), settings)
    assert (new.number, new.epoch) == (1, old.epoch + 1)
    before = objects(store)
    # The holder was only asleep: nothing that it does now may be seen by others.
    with pytest.raises(LeaseLost, match="'new' with epoch 2"):
        step(settings, old, "evaluate")
    assert finish("old", LOOP, settings).reason.startswith("LeaseLost")
    assert _changed(before, store) == set()
    for name in ("evaluate", "promote"):
        step(settings, new, name)
    assert finish("new", LOOP, settings).state == "PROMOTED"


def _changed(before: dict[str, str], store: Store) -> set[str]:
    """Keys that came or changed, but for the lease, its clock, and what a try has taken of the machine: that was taken."""
    now = objects(store)
    changed = {k for k in now if now[k] != before.get(k)}
    return {k for k in changed if not k.rsplit("/", 1)[-1].startswith("lease.") and "/used/" not in k}


def test_a_promotion_with_a_stale_epoch_is_refused(settings: Settings) -> None:
    store = open_store(settings.root)
    old = begin("old", options(), settings)
    steps(settings, old, "promote")
    loop.cancel(settings, LOOP, "another run takes over")
    new = begin("new", options(resume=True), settings)
    assert (new.number, new.epoch) == (1, 3)
    before = objects(store)
    with pytest.raises(LeaseLost, match=r"'new' with epoch 3; this run, 'old' with epoch 1, no longer owns the loop"):
        step(settings, old, "promote")
    assert _changed(before, store) == set()
    registry = open_registry(settings, store)
    assert [v.version for v in registry.versions(LOOP)] == ["1"]


def promote_in_process(settings: Settings, ticket: Ticket, start: Any, said: Any) -> None:
    start.wait()
    said.put(step(settings, ticket, "promote").results["promotion"])


def test_of_promotions_of_one_round_that_race_one_moves_the_alias(settings: Settings) -> None:
    """KFP may start a task again while its first pod still runs: both hold the run's lease."""
    store = open_store(settings.root)
    ticket = begin("run", options(), settings)
    steps(settings, ticket, "promote")
    start, said = spawn.Barrier(2), spawn.Queue()
    runs = [spawn.Process(target=promote_in_process, args=(settings, ticket, start, said)) for _ in range(2)]
    for one in runs:
        one.start()
    for one in runs:
        one.join(240)
    assert [one.exitcode for one in runs] == [0, 0]
    assert said.get(timeout=10) == said.get(timeout=10)
    assert finish("run", LOOP, settings).state == "PROMOTED"
    registry = open_registry(settings, store)
    champion = registry.champion(LOOP)
    assert champion is not None
    assert [v.version for v in registry.versions(LOOP)] == ["1", champion.version]
    assert len([m for m in history(store, LOOP) if m.moved and m.intent.kind == "promotion"]) == 1


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
    name = f"mortal-{uuid.uuid4().hex[:8]}"
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
    assert time.monotonic() - start < 90
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


def test_cancel_fences_a_running_round_off(settings: Settings) -> None:
    store = open_store(settings.root)
    ticket = begin("run", options(), settings)
    steps(settings, ticket, "train")
    said: list[BaseException] = []

    def train() -> None:
        try:
            step(settings, ticket, "train")
        except LeaseLost as error:
            said.append(error)

    running = threading.Thread(target=train)
    running.start()
    end = loop.cancel(settings, LOOP, "wrong recipe")
    running.join(240)
    assert [type(error) for error in said] == [LeaseLost]
    assert "train" not in rounds.manifests(store, LOOP, 1)
    assert finish("run", LOOP, settings) == end
    assert (end.state, end.reason) == ("FAILED", "cancelled: wrong recipe")
    # The loop is free at once, and goes on with a round of its own.
    assert begin("next", options(), settings).number == 2


@pytest.mark.parametrize("fault", ["503", "reset", "lost", "truncate", "corrupt", "stall"])
def test_a_stage_survives_faults_of_s3(
    faulty_s3: FaultyS3, tiny_seed: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the planned silence may take longer than our patience, not a busy machine.
    monkeypatch.setenv("RATCHET_S3_ATTEMPTS", "8")
    monkeypatch.setenv("RATCHET_S3_TIMEOUT", "1" if fault == "stall" else "20")
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
    assert time.monotonic() - start < 60


class Spy(FolderStore):
    """A folder that remembers every key that was read, whatever view of it was used."""

    opened: list[str] = []

    def open(self, key: str) -> Any:
        Spy.opened.append(self.uri(key))
        return super().open(key)

    def sub(self, prefix: str) -> Spy:
        return Spy(super().sub(prefix).root)


# Probes of the seed, for its temperature and for what it is weak at, come before anything is collected.
GUIDES = "prompts: 18, weakness: {}, tune: {temperatures: [0.5, 1.0], prompts: 9, k: 2}"
GUIDED = MICRO.replace("generate: {", f"generate: {{{GUIDES}, ")


# Training chooses among its states by looks at validation.
CHOOSING = LEARNING.replace("train: {", "train: {checkpoints: {every: 2, best: validation, validate_every: 4}, ")


@pytest.mark.parametrize("recipe", [LEARNING, GUIDED, CHOOSING], ids=["plain", "guided", "choosing"])
def test_nothing_that_learns_ever_opens_what_is_held_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    ticket = begin("run", options(recipe), settings)
    store = open_store(settings.root)
    opened = rounds.read_round(store, LOOP, 1)
    held_out: set[str] = set()
    forbidden: list[str] = []
    for digest in (opened.prompts, opened.report):
        made = find(store, digest)
        assert made is not None
        for split in {"holdout", "report"} & made.parts.keys():
            part = open_part(store, made, split)
            held_out |= {p.id for p in part.rows()} | {i.sha256 for p in part.rows() for i in p.images}
            forbidden += [f"{part.manifest.uri}/shard", *(pack.uri for pack in part.manifest.packs)]
    assert len(forbidden) == 4
    monkeypatch.setattr(stages, "open_store", lambda root: Spy(root))
    for name in ("generate", "verify", "filter", "train"):
        Spy.opened.clear()
        step(settings, ticket, name)
        assert Spy.opened
        assert [uri for uri in Spy.opened if uri.startswith(tuple(forbidden))] == [], name
    step(settings, ticket, "evaluate")
    assert [uri for uri in Spy.opened if uri.startswith(forbidden[0])] != [], "the spy sees nothing"
    check_artifacts(store, held_out)


def check_artifacts(store: Store, held_out: set[str]) -> None:
    """No held-out prompt and no held-out picture is named in what learning leaves, rows and JSON alike."""
    done = rounds.manifests(store, LOOP, 1)
    for name in ("generate", "verify", "filter"):
        for group in Artifact.open(store, done[name].uri, GROUPS).rows():
            assert group.prompt.id not in held_out
            assert not held_out & {image.sha256 for image in group.prompt.images}
    for name in ("generate", "verify", "filter", "train"):
        for stat in store.list(store.key(done[name].uri) + "/"):
            data = store.get(store.key(stat.uri))
            if stat.uri.endswith(".json"):
                assert not [one for one in held_out if one.encode() in data], stat.uri
