"""The benchmarks by name, and how one is measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from bench.result import Result, load, machine
from ratchet.provenance import code_revision

BENCHMARKS: Mapping[str, str] = {
    "verify": "bench.verify_filter",
    "environments": "bench.environments",
    "rules": "bench.rules",
    "maths": "bench.maths",
    "workers": "bench.workers",
    "curate": "bench.curate",
    "store": "bench.store",
    "generate": "bench.generate",
    "evaluate": "bench.evaluate",
    "scoring": "bench.scoring",
    "shards": "bench.shards",
    "vllm": "bench.vllm",
    "endpoint": "bench.endpoint",
    "judges": "bench.judges",
    "corrupt": "bench.corrupt",
    "train": "bench.train",
    "checkpoints": "bench.checkpoints",
    "memory": "bench.memory",
    "gate": "bench.gate",
    "trigger": "bench.trigger",
    "report": "bench.report",
    "compile": "bench.compiling",
    "gc": "bench.gc",
    "containers": "bench.containers",
    "overhead": "bench.overhead",
    "submit": "bench.submit",
    "demo": "bench.demo",
}
"""Name and module; a module has `measure(quick) -> list[Result]`. The first word of a result's name is the benchmark's."""


@dataclass(frozen=True)
class Options:
    quick: bool = False
    demo: bool = False


def command(name: str, options: Options) -> str:
    """What measures `name` again."""
    return f"python -m bench --only {name}{' --quick' * options.quick}{' --demo' * (options.demo and name == 'demo')}"


def rows(name: str, options: Options) -> list[dict[str, Any]]:
    """Rows of results.json, measured in a fresh process."""
    before, start = load(), time.perf_counter()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.NamedTemporaryFile("r", errors="replace") as log:
        with ProcessPoolExecutor(1, mp_context=spawn, initializer=_speak_to, initargs=(log.name,)) as pool:
            future = pool.submit(measure, name, options)
            if future.exception() is not None:
                sys.stderr.write("".join(log.readlines()[-20:]))
        results = future.result()
    shared = {
        "command": command(name, options),
        "quick": options.quick,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": code_revision(),
        "machine": machine(),
        "load_before": before,
        "load_after": load(),
        "seconds": round(time.perf_counter() - start, 1),
    }
    return [{**result.row(), **shared} for result in results]


def _speak_to(log: str) -> None:
    """Progress bars and training logs would bury the table."""
    with open(log, "ab") as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)


def measure(name: str, options: Options) -> list[Result]:
    """Measure one benchmark in this process."""
    module = import_module(BENCHMARKS[name])
    chosen = module.measure_demo if name == "demo" and options.demo else module.measure
    found: list[Result] = chosen(options.quick)
    return found
