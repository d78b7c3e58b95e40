"""DPO's supervised term over several processes.

TRL takes its mean over the tokens that one process sees, and the mean over processes would weigh a token by how few there are
beside it. With n_p tokens in process p of P, a weight of n_p P / (n_1 + ... + n_P) in each makes their mean that of all tokens:

    mean_p( n_p P / n * (1 / n_p) sum_i l_pi )  =  (1 / n) sum_p sum_i l_pi
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

TERM = "sft"


class TokenMean:
    """Put onto a DPOTrainer: scales the weight of its supervised term, step by step."""

    accelerator: Any
    loss_types: list[str]
    loss_weights: list[float]

    def compute_loss(self, model: Any, inputs: Mapping[str, Any], *given: Any, **named: Any) -> Any:
        usual = self.loss_weights
        scale = share(chosen_tokens(inputs), self.accelerator)
        self.loss_weights = [
            weight * scale if name == TERM else weight for name, weight in zip(self.loss_types, usual, strict=True)
        ]
        try:
            return super().compute_loss(model, inputs, *given, **named)  # type: ignore[misc]
        finally:
            self.loss_weights = usual


def chosen_tokens(inputs: Mapping[str, Any]) -> torch.Tensor:
    """How many tokens of chosen answers are predicted: of a batch whose first half are the chosen sides."""
    chosen, _ = inputs["completion_mask"][..., 1:].chunk(2, dim=0)
    return chosen.sum()


def share(tokens: torch.Tensor, accelerator: Any) -> float:
    """n_p P / n of this process."""
    everywhere = accelerator.gather(tokens.reshape(1))
    return float(tokens) * len(everywhere) / max(float(everywhere.sum()), 1.0)
