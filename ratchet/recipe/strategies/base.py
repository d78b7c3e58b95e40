"""What every strategy's configuration has."""

from __future__ import annotations

from pydantic import Field

from ratchet.records import Record


class StrategyBase(Record):
    """`weight` is the strategy's share of the prompts in a mix; the rest overrides the stage's sampling, null: as there."""

    weight: float = Field(1.0, gt=0, description="share of the prompts, against the other strategies' weights")
    k: int | None = Field(None, ge=1, le=1024, description="completions a prompt")
    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)
    max_new_tokens: int | None = Field(None, gt=0)
