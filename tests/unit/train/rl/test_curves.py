"""What is logged of ratio and entropy weighs each row by the answers it stands for: by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ratchet.train.rl import curves

MASK = torch.tensor([[1, 1], [1, 0], [0, 0]])
TIMES = torch.tensor([3, 1, 0])
TRAINER = SimpleNamespace(importance_sampling_level="token", epsilon_low=0.2, epsilon_high=0.2)


def told(loss: str, logps: torch.Tensor, entropies: torch.Tensor | None = None, **changes: Any) -> dict[str, float]:
    rows = {"completion_mask": MASK, "advantages": torch.tensor([1.0, -1.0, 0.0]), **changes}
    found = curves.of(TRAINER, loss, rows, logps, entropies)
    return {name: curves.mean(curves.sums(value, MASK, TIMES)) for name, value in found.items()}


def test_entropy_is_a_mean_over_the_tokens_that_were_drawn() -> None:
    found = told("sapo", torch.zeros(3, 2), torch.tensor([[1.0, 3.0], [8.0, 50.0], [50.0, 50.0]]))
    # Three times (1 + 3), once 8, over 7 tokens.
    assert found == {"entropy": pytest.approx(20 / 7)}


def test_clipped_shares_are_of_the_tokens_that_were_drawn() -> None:
    logps = torch.tensor([[math.log(1.5), 0.0], [math.log(0.5), 0.0], [math.log(9.0), 0.0]])
    found = told("dapo", logps, old_per_token_logps=torch.zeros(3, 2))
    names = ("clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean")
    assert [found[name] for name in names] == pytest.approx([1 / 7, 3 / 7, 4 / 7])
    assert set(told("dapo", logps).values()) == {0.0}, "without an older policy the ratio is 1"


def test_clipped_shares_of_whole_answers() -> None:
    logps = torch.tensor([[math.log(1.5), 0.0], [math.log(0.5), 0.0], [7.0, 0.0]])
    found = told("rloo", logps, old_logps=torch.zeros(3))
    assert found["clip_ratio/high_mean"] == 3 / 4
    assert found["clip_ratio/low_mean"] == 1 / 4


def test_nothing_weighed_has_no_mean() -> None:
    assert math.isnan(curves.mean(curves.sums(torch.ones(3, 2), MASK, torch.zeros(3))))
