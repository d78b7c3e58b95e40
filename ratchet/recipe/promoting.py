"""When a candidate becomes champion: the gate's policy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record


class GuardsConfig(Record):
    """Non-inferiority margins, in the unit of the metric (0..1); null switches a guard off.

    A guard passes when the one-sided lower bound (level `alpha`) of candidate minus champion lies above minus the margin.
    """

    alpha: float = Field(0.05, gt=0, lt=0.5)
    skill: float | None = Field(0.08, gt=0, lt=1, description="accuracy of each skill")
    chair_i: float | None = Field(0.05, gt=0, lt=1, description="share of mentioned objects that are not there")
    pass_at_k: float | None = Field(0.05, gt=0, lt=1, description="diversity: right at least once in k samples")
    yes_ratio: float | None = Field(0.1, gt=0, lt=1, description="distance of the share of yes from its true share")


class PromoteConfig(Record):
    """When a candidate becomes champion. Null hypothesis: the true paired delta is <= 0."""

    alpha: float = Field(0.05, gt=0, lt=0.5, description="chance of EVER promoting a model that is not better")
    min_gain: float = Field(0.0, ge=0, lt=1, description="least measured gain in accuracy")
    min_items: int = Field(200, gt=0, description="fewer paired items are no evidence")
    test: Literal["exact", "bootstrap"] = Field(
        "exact", description="exact: McNemar, or sign flips by cluster; bootstrap: by cluster"
    )
    guards: GuardsConfig = GuardsConfig()
