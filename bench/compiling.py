"""What `ratchet compile` takes, from the shell's prompt to the written file: a process of its own each time, nothing kept warm but
the files that the operating system remembers.

OMP_NUM_THREADS=1 python -m bench --only compile
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.result import Result

GOAL = 3.0
COMMAND = [sys.executable, "-c", "from ratchet.cli import main; main()", "compile"]
IMPORTS = [sys.executable, "-c", "import kfp.compiler, kfp.dsl, kfp.kubernetes"]
IMAGES = [
    part
    for name in ("core", "inference", "training")
    for part in ("--image", f"{name}=r.example/{name}@sha256:{'0' * 64}")
]


def measure(quick: bool) -> list[Result]:
    turns = 2 if quick else 7
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "round.yaml"
        command = [*COMMAND, "--profile", "multi-gpu", *IMAGES, "--out", str(out)]
        pairs = [(timed(command), timed(IMPORTS)) for _ in range(turns + 1)][1:]
        size = out.stat().st_size
    ours, theirs = [one for one, _ in pairs], [one for _, one in pairs]
    detail = {
        "wall seconds": [round(wall, 2) for wall, _ in ours],
        "CPU-seconds of importing kfp alone": round(statistics.median(cpu for _, cpu in theirs), 2),
        "bytes": size,
    }
    what = "CPU-seconds of `ratchet compile --profile multi-gpu`, its start and its imports included"
    cpu = [spent for _, spent in ours]
    return [Result("compile", what, GOAL, False, statistics.median(cpu), "s", cpu, detail=detail)]


def timed(command: list[str]) -> tuple[float, float]:
    """Wall and CPU-seconds of a process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
