"""A loop for the trigger's tests: store and registry in a folder, rounds that others end, and a starter that keeps files."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ratchet import canonical, rounds
from ratchet.operations.policy import LoopPolicy, write_policy
from ratchet.operations.starting import RoundRequest, RunState, Started
from ratchet.operations.trigger.asks import Ask, Asks
from ratchet.operations.trigger.decide import Idle
from ratchet.operations.trigger.drive import Driver, OnMove
from ratchet.operations.trigger.metrics import Metrics
from ratchet.operations.trigger.serve import serve
from ratchet.operations.trigger.service import Options, Service
from ratchet.registry import Registry
from ratchet.registry.mlflow_registry import MlflowRegistry
from ratchet.registry.promotion import promote, rollback
from ratchet.registry.store_registry import StoreRegistry
from ratchet.rounds import RoundEnd, State
from ratchet.store import FolderStore

LOOP = "mine"
SECRET = "a-secret-of-the-tests-0123"


class FileStarter:
    """`Starter` whose runs are files: made exclusively, so that a key is one run whoever asks, and ended by `end`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, request: RoundRequest) -> Started:
        path = self.folder / f"{canonical.digest(request.key)[:16]}.json"
        temp = path.with_suffix(f".{os.getpid()}")
        temp.write_text(request.model_dump_json())
        try:
            os.link(temp, path)
        except FileExistsError:
            return Started(run=path.stem, new=False)
        finally:
            temp.unlink()
        return Started(run=path.stem, new=True)

    def running(self, loop: str) -> list[RunState]:
        open_ones = [p for p in self.folder.glob("*.json") if not p.with_suffix(".ended").exists()]
        return [
            RunState(run=p.stem, name=p.stem, loop=loop, state="running")
            for p in open_ones
            if RoundRequest.model_validate_json(p.read_text()).loop == loop
        ]

    def end(self) -> None:
        """Every run that goes on has ended."""
        for path in self.folder.glob("*.json"):
            path.with_suffix(".ended").touch()

    def requests(self) -> list[RoundRequest]:
        found = sorted(self.folder.glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
        return [RoundRequest.model_validate_json(p.read_text()) for p in found]


@dataclass
class Ground:
    """One loop named `mine`, owned by the trigger, with three versions and the first as champion."""

    folder: Path
    on_move: tuple[OnMove, ...] = ()
    retry: float = 0.0
    tracking: str | None = None
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.store = FolderStore(f"file://{self.folder}/store")
        self.registry: Registry = MlflowRegistry(self.tracking) if self.tracking else StoreRegistry(self.store)
        self.starter = FileStarter(self.folder / "runs")
        self.driver = self.new_driver()
        if not self.registry.versions(LOOP):
            for digest in "abc":
                self.registry.register(LOOP, f"s3://models/{digest}", digest * 64)
            promote(
                self.registry, self.store, LOOP, "1", expected=None, key="seed", by="init", reason="first", kind="seed"
            )
            self.policy()

    def new_driver(self) -> Driver:
        """As after a restart: it remembers nothing."""
        return Driver(self.registry, self.store, self.starter, self.metrics, self.on_move, self.retry)

    def policy(self, owner: str = "trigger", after: str = "next") -> None:
        write_policy(
            self.store, LOOP, LoopPolicy.model_validate({"owner": owner, "recipe": "rft", "after_refused": after})
        )

    def look(self) -> Idle | Ask:
        return self.driver.look(LOOP)

    def person(self, version: str) -> None:
        """Somebody moves the alias in the registry, without ratchet."""
        now = self.registry.champion(LOOP)
        assert self.registry.set_champion(LOOP, version, expected=now.version if now else None)

    def gate(self, version: str, key: str) -> None:
        now = self.registry.champion(LOOP)
        assert now is not None
        promote(self.registry, self.store, LOOP, version, expected=now.version, key=key, by="round", reason="better")

    def rollback(self) -> None:
        rollback(self.registry, self.store, LOOP, by="ops", reason="complaints")

    def open_round(self, number: int) -> None:
        self.store.put(f"{rounds.round_prefix(LOOP, number)}/round.json", b"{}")

    def end_round(self, number: int, state: State) -> None:
        """The run that goes on has ended its round, this one."""
        self.open_round(number)
        rounds.write_end(
            self.store, LOOP, number, RoundEnd(state=state, reason="as the test says", job=f"job-{number}")
        )
        self.starter.end()

    def asks(self) -> list[Ask]:
        return Asks(self.store, LOOP).all()

    def causes(self) -> list[str]:
        return [ask.cause for ask in self.asks()]


def main() -> None:
    """`python -m tests.triggered FOLDER PORT POLL WEBHOOKS [TRACKING]`: the trigger in a process of its own, over a Ground."""
    folder, port, poll, webhooks, *tracking = sys.argv[1:]
    ground = Ground(Path(folder), tracking=tracking[0] if tracking else None)
    options = Options(loops=(LOOP,), poll=float(poll), secrets=(SECRET,), webhooks=webhooks == "yes")
    serve(Service(ground.registry, ground.store, ground.driver, ground.metrics, options), "127.0.0.1", int(port))


if __name__ == "__main__":
    main()
