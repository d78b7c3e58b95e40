"""What this machine has, where it is the place that a profile names."""

from __future__ import annotations

import os
from pathlib import Path


def gpus_here() -> int:
    """GPUs that this machine's driver has made devices of, without the seconds that importing torch takes."""
    return len([*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg")])


def threads() -> int:
    """Threads a process computes with: OMP_NUM_THREADS, else 1. Two on busy cores are many times slower than one."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))
