"""The trigger as the benchmark serves it: four loops over a folder, and a starter whose rounds are files that end at once.

python -m bench.trigger_served FOLDER PORT
"""

from __future__ import annotations

import sys
from pathlib import Path

from ratchet import canonical
from ratchet.operations.policy import LoopPolicy, write_policy
from ratchet.operations.starting import RoundRequest, RunState, Started
from ratchet.operations.trigger.asks import Asks
from ratchet.operations.trigger.drive import Driver
from ratchet.operations.trigger.metrics import Metrics
from ratchet.operations.trigger.moves import alias_moves
from ratchet.operations.trigger.serve import serve
from ratchet.operations.trigger.service import Options, Service
from ratchet.registry.promotion import history, promote
from ratchet.registry.store_registry import StoreRegistry
from ratchet.store import FolderStore

LOOPS = ("one", "two", "three", "four")
SECRET = "a-secret-of-the-benchmark"


class Instant:
    """`Starter`: each call adds a line to its loop's file, and nothing runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, request: RoundRequest) -> Started:
        with (self._folder / f"{request.loop}.starts").open("a") as out:
            out.write(f"{request.key}\n")
        return Started(run=canonical.digest(request.key)[:16], new=True)

    def running(self, _: str) -> list[RunState]:
        return []


class Ground:
    """Loops, store and registry; made by whoever comes first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = FolderStore(f"file://{folder}/store")
        self.registry = StoreRegistry(self.store)
        for loop in LOOPS:
            if not self.registry.versions(loop):
                for digest in "ab":
                    self.registry.register(loop, f"s3://models/{digest}", digest * 64)
                self._promote(loop, "1", None)
                # Nothing but moves starts rounds here.
                write_policy(self.store, loop, LoopPolicy(owner="trigger", recipe="rft", after_refused="wait"))

    def move(self, loop: str) -> None:
        now = self.registry.champion(loop)
        assert now is not None
        self._promote(loop, "2" if now.version == "1" else "1", now.version)

    def started(self, loop: str) -> int:
        """Calls of the starter."""
        starts = self.folder / f"{loop}.starts"
        return len(starts.read_text().split()) if starts.exists() else 0

    def count(self, loop: str) -> tuple[int, int, int]:
        """Moves of the alias, asks, calls of the starter."""
        moves = alias_moves(history(self.store, loop))
        return len(moves), len(Asks(self.store, loop).all()), self.started(loop)

    def _promote(self, loop: str, version: str, expected: str | None) -> None:
        key = f"move-{len(history(self.store, loop))}"
        promote(self.registry, self.store, loop, version, expected=expected, key=key, by="bench", reason="bench")


def main() -> None:
    ground = Ground(Path(sys.argv[1]))
    metrics = Metrics()
    driver = Driver(ground.registry, ground.store, Instant(ground.folder), metrics)
    options = Options(loops=LOOPS, secrets=(SECRET,))
    serve(Service(ground.registry, ground.store, driver, metrics, options), "127.0.0.1", int(sys.argv[2]))


if __name__ == "__main__":
    main()
