"""One measured number with its goal, and where it was measured."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import ratchet.tinyworld

Turns = Sequence[float]
SEED_FOLDER = Path(ratchet.tinyworld.__file__).parent / "seed"
"""The model that ships with the package."""


@dataclass(frozen=True)
class Result:
    """`measured` is the median over `turns` where there are turns; `bare` and `ours` are what each turn compared."""

    name: str
    what: str
    goal: float
    at_least: bool
    measured: float
    unit: str = ""
    turns: Turns = ()
    bare: Turns = ()
    ours: Turns = ()
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return self.measured >= self.goal if self.at_least else self.measured <= self.goal

    def row(self) -> dict[str, Any]:
        """As results.json keeps it."""
        return {**_rounded(asdict(self)), "met": self.met}


def ratio(name: str, what: str, goal: float, bare: Turns, ours: Turns, unit: str, **detail: Any) -> Result:
    """Rates of both, turn by turn: the median of ours / bare, and its goal is a least one."""
    turns = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    return Result(name, what, goal, True, statistics.median(turns), f"ratio of {unit}", turns, bare, ours, detail)


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
    }


def load() -> list[float]:
    """Load average over 1, 5 and 15 minutes: above the number of cores, wall times measure the neighbours too."""
    return [round(value, 2) for value in os.getloadavg()]


def peak_mib(pid: int | str = "self") -> float:
    """Most resident memory of a process so far, MiB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}") if abs(value) < 1000 else round(value)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
