"""In which order, and how much of the rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record


class GrowthConfig(Record):
    """More rows from round to round: round n learns from share min(1, start + step * (n - 1)) of them."""

    start: float = Field(0.5, gt=0, le=1)
    step: float = Field(0.25, ge=0, le=1)


class CurriculumConfig(Record):
    """What of the rows is learned from, and when. null everywhere: all of them, shuffled."""

    order: Literal["shuffled", "easy_first", "hard_first"] = Field(
        "shuffled", description="by the group's pass rate, within each epoch"
    )
    bands: int = Field(5, ge=1, description="difficulty bands; rows are shuffled within one")
    modalities: tuple[Literal["text", "one_picture", "many_pictures"], ...] | None = Field(
        None, description="kinds of rows in the order in which they are learned (LMM-R1); null: together"
    )
    growth: GrowthConfig | None = None
    balance: Literal["none", "skill", "difficulty"] = Field(
        "none", description="head/tail re-balancing: rows of a rare cell are seen more often, of a common one less"
    )
    balance_power: float = Field(0.5, gt=0, le=1, description="1: every cell as often; towards 0: as they come")
