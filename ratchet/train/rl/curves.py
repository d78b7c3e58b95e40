"""What TRL logs of the ratio and the entropy, as means over the answers that were drawn: a row may stand for several.

TRL's own means are over the rows that it is given. Its smallest and largest clipped shares need no weights. Not mended is
`vespo/phi_seq_mean`, which is over the distinct answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

CLIPPED = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo", "rloo")


def of(
    trainer: Any, loss: str, rows: Mapping[str, Any], logps: torch.Tensor, entropies: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    """By TRL's name (rows x tokens, or rows x 1 where the ratio is of whole answers)."""
    found = {} if entropies is None else {"entropy": entropies.detach()}
    if loss == "rloo":
        log_ratio = ((logps * rows["completion_mask"]).sum(dim=1) - rows["old_logps"])[:, None]
    else:
        log_ratio = _log_ratio(rows, logps, trainer.importance_sampling_level)
    if loss in CLIPPED:
        low, high = clipped(log_ratio, rows["advantages"], trainer.epsilon_low, trainer.epsilon_high)
        names = ("clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean")
        found |= dict(zip(names, (low, high, low | high), strict=True))
    elif loss == "cispo":
        # The bound is the largest ratio itself.
        found["cispo_clip_ratio"] = clipped(log_ratio, rows["advantages"], 1.0, trainer.epsilon_high - 1)[1]
    return found


def _log_ratio(rows: Mapping[str, Any], logps: torch.Tensor, level: str) -> torch.Tensor:
    old, mask = rows.get("old_per_token_logps"), rows["completion_mask"]
    by_token = torch.zeros_like(logps) if old is None else logps - old
    if level == "token":
        return by_token
    return ((by_token * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1))[:, None]


def clipped(
    log_ratio: torch.Tensor, advantages: torch.Tensor, low: float, high: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a ratio is below 1 - low at an advantage below 0, and above 1 + high at one above 0."""
    ratio, sign = log_ratio.exp(), advantages[:, None]
    return (ratio < 1 - low) & (sign < 0), (ratio > 1 + high) & (sign > 0)


def sums(value: torch.Tensor, mask: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Weighted sum of `value` and of the weights: `times` for each token under the mask, or for each row if `value` is rows x 1."""
    weights = times[:, None] * mask if value.shape[1] > 1 else times[:, None]
    return torch.stack([(value * weights).sum().float(), weights.sum().float()])


def mean(sums: torch.Tensor) -> float:
    """NaN where nothing was weighed; TRL leaves that out of its log."""
    value, weight = sums.tolist()
    return value / weight if weight else float("nan")
