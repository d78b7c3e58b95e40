"""The adaptive price of divergence.

Ziegler et al. 2019 (arXiv 1909.08593), section 2.2, as in their code: after each step with n completions,

    e = clip(KL / target - 1, -0.2, 0.2)
    coefficient <- coefficient (1 + e n / horizon)

KL is in nats per completion.
"""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ratchet.recipe.training.reinforcement import KlConfig

CLIP = 0.2


def steered(coefficient: float, kl: float, completions: int, config: KlConfig) -> float:
    """The next coefficient; the same one where the recipe names no target."""
    if config.target is None:
        return coefficient
    error = min(max(kl / config.target - 1, -CLIP), CLIP)
    return coefficient * (1 + error * completions / config.steered_over)


class AdaptiveKl(TrainerCallback):  # type: ignore[misc]
    """Steers a trainer's `beta` by the divergence that it logs: per token, so times the mean length.

    All processes log the same numbers, so all steer alike.
    """

    def __init__(self, config: KlConfig, completions: int) -> None:
        self.config, self.completions = config, completions
        self.coefficient = config.coefficient
        self.trainer: Any = None

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, Any], **_: Any) -> None:
        kl, length = logs.get("kl"), logs.get("completions/mean_length")
        if kl is None or length is None:
            return
        logs["kl_per_completion"] = kl * length
        logs["kl_coefficient"] = self.coefficient
        self._set(steered(self.coefficient, kl * length, self.completions, self.config))

    def _set(self, coefficient: float) -> None:
        self.coefficient = coefficient
        if self.trainer is not None:
            self.trainer.beta = coefficient

    def kept(self) -> dict[str, Any]:
        return {"coefficient": self.coefficient}

    def regain(self, kept: dict[str, Any]) -> None:
        self._set(float(kept["coefficient"]))
