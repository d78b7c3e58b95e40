"""TRL's online trainers, imported where a warning can be told from a fault.

TRL imports vLLM wherever it is installed, also for rollouts that the model makes itself. That takes longer than all the rest, and
without a GPU vLLM makes no rollouts: there it is kept out. What the import warns of is none of this training's affair: vLLM's
version counts only where it makes the rollouts, and there `online.check_machine` asks again.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def _without(name: str, hidden: bool) -> Iterator[None]:
    """Python finds no package where sys.modules has None for it (importlib.util.find_spec)."""
    modules: dict[str, Any] = sys.modules
    if not hidden or name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]


with _without("vllm", hidden=not torch.cuda.is_available()), warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="TRL currently supports vLLM versions", category=UserWarning)
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=DeprecationWarning)
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

__all__ = ["GRPOConfig", "GRPOTrainer", "RLOOConfig", "RLOOTrainer"]
