"""The clock that budgets are counted by."""

from __future__ import annotations

import os
import time
from typing import Literal

Unit = Literal["CPU-s", "s"]


def unit() -> Unit:
    """CPU-seconds on a machine without GPU, where neighbours disturb the wall clock; wall seconds on one with."""
    import torch

    return "s" if torch.accelerator.is_available() else "CPU-s"


def now() -> float:
    """Seconds of this clock: of this process and of those that it waited for."""
    if unit() == "s":
        return time.perf_counter()
    return cpu()


def cpu() -> float:
    """CPU-seconds of this process and of those that it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
