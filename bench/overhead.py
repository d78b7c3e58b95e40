"""What KFP, eight processes and the handing over between them cost: a round under kfp.local against the same stage
functions in one Python process. Folder store, the registry in it, the shipped seed, the same recipe and salt: both make
the same artifacts.

Each process of a round must import its libraries, which is not overhead of ours: from the round's wall time goes the
time of processes that import exactly what its processes imported, and do nothing else. Which modules those are is
recorded in a small round before (bench/imports/sitecustomize.py); what they cost is measured in every turn. Turns alternate.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.result import Result
from ratchet.begin import BeginOptions
from ratchet.local_run import LocalRun, run_rounds
from ratchet.loop import init_loop, run_in_process
from ratchet.settings import Settings
from ratchet.stage import STAGES

GOAL = 1.25
LOOP = "bench"
HOOK = Path(__file__).parent / "imports"
PROCESSES = ("pipeline", *STAGES)
SMALL = """
name: small
seed: 1
prompts: {pool: 45, validation: 9, holdout: 45, report: 9}
generate: {k: 2}
filter: {min_pass_rate: 0.0}
verify: {policy: none}
train: {max_steps: 2, batch_size: 8}
evaluate: {pass_at_k: {k: 2, prompts: 9}}
promote: {min_items: 9}
"""
MEASURED = """
name: measured
seed: 1
prompts: {pool: 2250, validation: 180, holdout: 2250, report: 900}
generate: {k: 8}
filter: {balance: 3.0}
train: {epochs: 2}
"""
IMPORT = """
import importlib, json, sys
for name in json.load(open(sys.argv[1])):
    try:
        importlib.import_module(name)
    except Exception:
        pass
"""
Spent = dict[str, float]
"""Seconds by `wall` and by `cpu`: of this process and the children that have ended."""


def measure(quick: bool) -> list[Result]:
    """By wall clock, which counts waiting but on a loaded machine the neighbours too, and by CPU time, which counts neither."""
    recipe, turns = (SMALL, 1) if quick else (MEASURED, 3)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.environ["RATCHET_CACHE"] = str(place / "models")
        _keep_bytecode()
        modules = _record(place)
        _in_process(place / "warm", SMALL)
        rounds: list[Spent] = []
        alone: list[Spent] = []
        imports: list[dict[str, Spent]] = []
        for turn in range(turns):
            for kfp in (True, False) if turn % 2 else (False, True):
                if kfp:
                    rounds.append(_under_kfp(place / f"kfp{turn}", recipe))
                else:
                    alone.append(_in_process(place / f"one{turn}", recipe))
            imports.append({process: _import(modules[process]) for process in PROCESSES})
    return [_result(clock, rounds, alone, imports) for clock in ("wall", "cpu")]


def _result(clock: str, rounds: list[Spent], alone: list[Spent], imports: list[dict[str, Spent]]) -> Result:
    ours = [
        whole[clock] - sum(spent[clock] for spent in taken.values())
        for whole, taken in zip(rounds, imports, strict=True)
    ]
    bare = [one[clock] for one in alone]
    turns = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    detail = {
        "kfp_round": [one[clock] for one in rounds],
        "imports": {name: statistics.median(one[name][clock] for one in imports) for name in PROCESSES},
    }
    what = f"a round under kfp.local, less its processes' imports, over the same stages in one process ({clock})"
    return Result(
        f"overhead {clock}", what, GOAL, False, statistics.median(turns), "ratio of s", turns, bare, ours, detail
    )


def _spent(work: Callable[[], object]) -> Spent:
    def cpu() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    wall, before = time.perf_counter(), cpu()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": cpu() - before}


def _settings(place: Path) -> Settings:
    settings = Settings(root=str(place / "store"), registry="store")
    init_loop(settings, LOOP, "tinyworld")
    return settings


def _under_kfp(place: Path, recipe: str) -> Spent:
    """A round as `ratchet run` makes it."""
    run = LocalRun(LOOP, recipe, place, _settings(place).environment())
    return _spent(lambda: run_rounds(run, 1))


def _in_process(place: Path, recipe: str) -> Spent:
    settings = _settings(place)
    return _spent(lambda: run_in_process(settings, BeginOptions(loop=LOOP, recipe=recipe)))


def _import(modules: Path) -> Spent:
    command = [sys.executable, "-c", IMPORT, str(modules)]
    # KFP's own mark of a task's process: there kfp imports no compiler.
    mark = {} if modules.stem == "pipeline" else {"_KFP_RUNTIME": "true"}
    environment = {**os.environ, **mark}
    return _spent(lambda: subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=environment))


def _record(place: Path) -> dict[str, Path]:
    """Files with the modules that each process of a round imports; leaves their bytecode compiled."""
    folder = place / "imports"
    folder.mkdir()
    hook = {"PYTHONPATH": str(HOOK), "BENCH_IMPORTS": str(folder)}
    run = LocalRun(LOOP, SMALL, place / "record", {**_settings(place / "record").environment(), **hook})
    run_rounds(run, 1)
    found = {process: folder / f"{process}.json" for process in PROCESSES}
    missing = [process for process, file in found.items() if not file.exists()]
    if missing:
        raise RuntimeError(
            f"no list of imports from {', '.join(missing)}: does bench/imports/sitecustomize.py know it?"
        )
    for file in found.values():
        assert json.loads(file.read_text(encoding="utf-8"))
        _import(file)
    return found


def _keep_bytecode() -> None:
    """Where Python is told to write no bytecode, compiling every import anew would drown what is measured."""
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        os.environ["PYTHONDONTWRITEBYTECODE"] = ""
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(tempfile.gettempdir()) / "ratchet-bench-bytecode"))
