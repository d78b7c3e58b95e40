"""TRL's online trainers, imported where a warning can be told from a fault.

TRL imports vLLM wherever it is installed, also for rollouts that the model makes itself. What that import warns of is none of
this training's affair: vLLM's version counts only where it makes the rollouts, and there `online.check_machine` asks again.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="TRL currently supports vLLM versions", category=UserWarning)
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=DeprecationWarning)
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

__all__ = ["GRPOConfig", "GRPOTrainer", "RLOOConfig", "RLOOTrainer"]
