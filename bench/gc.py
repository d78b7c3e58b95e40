"""Retention's memory over stores of two sizes: a hundred times the objects must not need more of it.

Each store is a folder of real files: rounds that ended long ago and promoted nothing, thousands of shards in each. A pass that
only looks is made of the small one and of the large one, each in a process of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.result import Result, peak_mib
from ratchet import rounds
from ratchet.operations.retention import collect
from ratchet.registry import open_registry
from ratchet.settings import Settings
from ratchet.store import open_store

SIZES, QUICK = (10_000, 1_000_000), (200, 20_000)
A_ROUND = 5_000
"""Shards of a round."""
LINKS = 30_000
"""Names that one file gets; file systems allow some 65,000."""
MOST = 1.2


def measure(quick: bool) -> list[Result]:
    small, large = QUICK if quick else SIZES
    with tempfile.TemporaryDirectory(prefix="ratchet-bench-gc-") as place:
        found = [_in_fresh_process(Path(place) / str(size), size) for size in (small, large)]
    (few, few_seconds), (many, many_seconds) = found
    said = f"peak memory of a pass over {large:,} objects, over that of one over {small:,}"
    detail = {
        "peak_mib": [few, many],
        "seconds": [few_seconds, many_seconds],
        "objects_per_second": large / many_seconds,
    }
    return [Result("gc memory", said, MOST, False, many / few, "ratio of MiB", detail=detail)]


def _in_fresh_process(folder: Path, objects: int) -> tuple[float, float]:
    fill(folder, objects)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_look, folder, objects).result()


def _look(folder: Path, objects: int) -> tuple[float, float]:
    settings = Settings(root=str(folder), registry="store")
    store = open_store(settings.root)
    start = time.perf_counter()
    found = collect(
        store, open_registry(settings, store), timedelta(days=30), now=datetime.now(UTC) + timedelta(days=99)
    )
    seconds = time.perf_counter() - start
    if found.objects != objects:
        raise RuntimeError(f"{found.objects} of {objects} objects were found to go")
    return peak_mib(), seconds


def fill(folder: Path, objects: int) -> None:
    """A store of rounds that are over, `objects` shards in all."""
    template = _round()
    folder.mkdir()
    _with_champion(folder)
    shared: Path | None = None
    for number in range(1, -(-objects // A_ROUND) + 1):
        place = folder / rounds.round_prefix("old", number)
        stage = place / "generate-000000000000"
        stage.mkdir(parents=True)
        (place / "round.json").write_text(json.dumps({**template, "number": number}))
        end = {"state": "REFUSED", "reason": "not_better", "job": "j", "ended": datetime.now(UTC).isoformat()}
        (place / "end.json").write_text(json.dumps(end))
        for index in range(min(A_ROUND, objects - (number - 1) * A_ROUND)):
            shard = stage / f"{index:05d}.parquet"
            if shared is None or ((number - 1) * A_ROUND + index) % LINKS == 0:
                shard.write_bytes(b"rows")
                shared = shard
            else:
                os.link(shared, shard)


def _with_champion(folder: Path) -> None:
    """What the rounds began from, in the registry: without it nothing is deleted."""
    store = open_store(str(folder))
    registry = open_registry(Settings(root=str(folder), registry="store"), store)
    made = registry.register("old", "s3://elsewhere/model", "0" * 64)
    registry.set_champion("old", made.version, expected=None)


def _round() -> dict[str, object]:
    from ratchet import recipe
    from ratchet.artifacts import ModelRef
    from ratchet.rounds import Round

    seed = ModelRef(name="old", version="1", uri="s3://elsewhere/model", digest="0" * 64)
    some = {"prompts": "1" * 64, "report": "2" * 64, "family": "tinyworld", "code_revision": "bench"}
    opened = Round(loop="old", number=1, salt="s", job="j", seed=seed, recipe=recipe.load("rft"), **some)
    found: dict[str, object] = opened.model_dump(mode="json")
    return found
