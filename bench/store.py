"""The S3 store's put_file and get_file against boto3's own managed transfers, on one SeaweedFS; turns alternate.

Rates are MiB per second of wall clock: threads, server and disk count, not this process alone. All uploads come first,
then all downloads, each after a sync, since the disk writes back what was uploaded while the next transfer runs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.bare_store import MEBIBYTE, BareTransfers
from bench.result import Result, ratio
from ratchet.services import start
from ratchet.services.seaweed import BUCKET
from ratchet.store import open_store

GOAL = 0.9
Transfer = Callable[[str], object]


def measure(quick: bool) -> list[Result]:
    size, turns = (32, 2) if quick else (256, 5)
    with tempfile.TemporaryDirectory() as place, start(Path(place) / "services", mlflow=False) as services:
        os.environ.update(services.environment())
        file, copy = Path(place) / "file", Path(place) / "copy"
        with file.open("wb") as out:
            for _ in range(size):
                out.write(os.urandom(MEBIBYTE))
        bare, store = BareTransfers(BUCKET), open_store(f"s3://{BUCKET}")
        up: dict[str, Transfer] = {
            "bare": lambda key: bare.upload(file, key),
            "ours": lambda key: store.put_file(key, file),
        }
        down: dict[str, Transfer] = {
            "bare": lambda key: bare.download(key, copy),
            "ours": lambda key: store.get_file(key, copy),
        }
        uploads = _alternate(up, copy, size, turns)
        downloads = _alternate(down, copy, size, turns)
    return [
        ratio(f"store {way}", f"{size} MiB {what}", GOAL, rates["bare"], rates["ours"], "MiB/s")
        for way, what, rates in (
            ("put", "put_file over upload_file", uploads),
            ("get", "get_file over download_file", downloads),
        )
    ]


def _alternate(ways: dict[str, Transfer], copy: Path, size: int, turns: int) -> dict[str, list[float]]:
    """Rates by turn. A turn is bare, ours, ours, bare: on some disks every other transfer is slow, whosever it is."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        seconds = dict.fromkeys(ways, 0.0)
        for name in (*ways, *reversed(ways)):
            copy.unlink(missing_ok=True)
            os.sync()
            begun = time.perf_counter()
            ways[name](name)
            seconds[name] += time.perf_counter() - begun
        for name, spent in seconds.items():
            if turn:  # the first warms up
                rates[name].append(2 * size / spent)
    return rates
