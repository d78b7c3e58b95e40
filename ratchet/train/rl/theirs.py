"""TRL's online trainers, imported where a warning can be told from a fault.

TRL imports vLLM wherever it is installed, also for rollouts that the model makes itself. That takes longer than all the rest, and
without a GPU vLLM makes no rollouts: there it is kept out. What the import warns of is none of this training's affair: vLLM's
version counts only where it makes the rollouts, and there `online.check_machine` asks again.

An answer that no verifier could judge is no fault here: the curve completions/unscored counts them, where TRL prints a whole row of
each batch that has one.
"""

from __future__ import annotations

import logging
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

UNJUDGED = "All reward functions returned None"


def _other(record: logging.LogRecord) -> bool:
    return UNJUDGED not in str(record.msg)


for _name in ("grpo", "rloo"):
    logging.getLogger(f"trl.trainer.{_name}_trainer").addFilter(_other)

__all__ = ["GRPOConfig", "GRPOTrainer", "RLOOConfig", "RLOOTrainer"]
