"""TRL's online trainers. Importing them says that TRL does not know this version of vLLM, whether or not vLLM is used.

Where it is used (`train.rl.rollouts` colocate or server) the trainer asks again when it is made, and the warning is seen.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="TRL currently supports vLLM")
    # vLLM's own modules, which TRL imports with the trainers.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message=".*torch.jit")
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

__all__ = ["GRPOConfig", "GRPOTrainer", "RLOOConfig", "RLOOTrainer"]
