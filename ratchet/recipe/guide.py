"""What steers collection: a temperature that is tuned, and weights for what the seed is weak at. Both look at
`validation` only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record


class TuneConfig(Record):
    """Choose the temperature each round by Reward-Pass@2 on a probe (M-STAR, arXiv 2412.17451)."""

    temperatures: tuple[float, ...] = Field((0.3, 0.5, 0.7, 0.9, 1.1), min_length=2)
    prompts: int = Field(200, gt=0, description="validation prompts that are sampled")
    k: int = Field(8, ge=2, description="completions a prompt and temperature")
    reward: Literal["likelihood", "votes"] = Field(
        "likelihood", description="what ranks a prompt's completions: mean token log-probability, or how often said"
    )


class WeaknessConfig(Record):
    """Sample more of what the seed fails at (DPE): weight = error rate ** strength, by skill and difficulty band."""

    probe: int | None = Field(None, gt=0, description="validation prompts that are answered; null: all")
    bands: int = Field(3, ge=1, le=10, description="difficulty bands of equal width over 0..1")
    strength: float = Field(1.0, gt=0)
    cap: float = Field(4.0, ge=1, description="most that a cell may weigh against the lightest: nothing is starved")
