"""The demo, from the command to the report: wall time, and the most memory that any one of its processes held.

`python -m bench --only demo` reads what the last `make demo` wrote to demo/summary.json; with --demo it runs the demo.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.result import Result, load, peak_mib

GOAL_SECONDS = 600
GOAL_MIB = 2048
SUMMARY = Path(__file__).parents[1] / "demo" / "summary.json"
MARK = "RATCHET_BENCH_MARK"


def measure(_quick: bool) -> list[Result]:
    """What the last demo says of itself; nothing if there was none."""
    if not SUMMARY.exists():
        return []
    found = json.loads(SUMMARY.read_text(encoding="utf-8"))
    detail = {"read": "demo/summary.json", "finished": time.ctime(SUMMARY.stat().st_mtime)}
    return [Result("demo wall", "seconds of the last demo", GOAL_SECONDS, False, found["seconds"], "s", detail=detail)]


def measure_demo(quick: bool) -> list[Result]:
    """Run `ratchet demo` in a temporary folder; quick: one round without control arms."""
    mark = secrets.token_hex(8)
    with tempfile.TemporaryDirectory() as place:
        command = [str(Path(sys.executable).with_name("ratchet")), "demo", "--out", f"{place}/demo"]
        command += ["--rounds", "1", "--no-controls"] if quick else []
        peaks: dict[str, float] = {}
        begun = time.perf_counter()
        child = subprocess.Popen(command, env={**os.environ, MARK: mark}, stdout=subprocess.DEVNULL)
        while child.poll() is None:
            _look(mark, peaks)
            time.sleep(0.5)
        seconds = time.perf_counter() - begun
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {child.returncode}")
    largest = max(peaks, key=lambda name: peaks[name])
    what = "one round without controls" if quick else "the whole demo"
    return [
        Result("demo wall", f"seconds of {what}", GOAL_SECONDS, False, seconds, "s", detail={"load": load()}),
        Result(
            "demo memory",
            f"MiB of its largest process: {largest}",
            GOAL_MIB,
            False,
            peaks[largest],
            "MiB",
            detail=peaks,
        ),
    ]


def _look(mark: str, peaks: dict[str, float]) -> None:
    """Note the peak so far of every process that carries the mark, under a readable name."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes():
                name = _name((folder / "cmdline").read_bytes().decode(errors="replace").split("\0"))
                peaks[name] = max(peaks.get(name, 0.0), peak_mib(folder.name))
        except OSError:
            continue


def _name(words: list[str]) -> str:
    """The stage of a KFP task, the module of another Python process, else the program."""
    for option in ("--function_to_execute", "-m"):
        if option in words[:-1]:
            return words[words.index(option) + 1]
    return Path(words[0]).name
