"""A shard whose process dies in the middle of a round is run again alone by KFP; the others are not touched."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ratchet import loop, rounds
from ratchet.local_run import LocalRun, run_rounds
from ratchet.store import Store, open_store
from tests.e2e.rounds import LEARNING, objects
from tests.micro import settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LOOP = "lost"
PROFILE = "{name: test, retries: 1, parallelism: 2}"
RECIPE = LEARNING.replace("pool: 36", "pool: 450").replace(
    "k: 1, strategy: reference, max_new_tokens: 6, rows_per_file: 12", "k: 8, max_new_tokens: 6, rows_per_file: 5"
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RATCHET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "8")


def _shard_processes(root: str) -> list[int]:
    """Python processes that run the component generate of the round under `root`, by kfp.local."""
    return [int(place.name) for place in Path("/proc").glob("[0-9]*") if _runs_a_shard(place, root)]


def _runs_a_shard(place: Path, root: str) -> bool:
    try:
        words = (place / "cmdline").read_bytes().split(b"\0")
        variables = (place / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    named = words[words.index(b"--function_to_execute") + 1] if b"--function_to_execute" in words else b""
    return named == b"generate_shard" and b"RATCHET_ROOT=" + root.encode() in variables


class Killer:
    """Kills the process of one shard once the shard has written a file, and notes what the store held then."""

    def __init__(self, store: Store, root: str) -> None:
        self.store, self.root = store, root
        self.killed: int | None = None
        self.held: dict[str, str] = {}

    def __call__(self) -> None:
        if self.killed is not None or not rounds.numbers(self.store, LOOP):
            return
        held = objects(self.store, f"{rounds.round_prefix(LOOP, 1)}/")
        if any(key.endswith(".parquet") for key in held):
            for one in _shard_processes(self.root):
                # One that has ended since, with all its work, is none that dies.
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
                    self.killed, self.held = one, held
                    return


def test_a_shard_that_dies_is_done_again_alone_and_the_round_ends_as_ever(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    loop.init_loop(settings, LOOP, "tinyworld")
    store = open_store(settings.root)
    killer = Killer(store, settings.root)
    start = time.monotonic()
    (end,) = run_rounds(LocalRun(LOOP, RECIPE, tmp_path / "runs", settings.environment(), PROFILE), 1, look=killer)
    assert killer.killed is not None, f"no shard was met at work in {time.monotonic() - start:.0f} s"
    assert end.state in ("PROMOTED", "REFUSED"), end.reason
    made = rounds.manifests(store, LOOP, 1)["generate"]
    assert made.rows == 450
    written = {key for key in killer.held if "/generate-" in key and key.endswith(".parquet")}
    assert written
    now = objects(store, f"{rounds.round_prefix(LOOP, 1)}/")
    assert {key: killer.held[key] for key in written}.items() <= now.items(), "files of before the kill are kept"
