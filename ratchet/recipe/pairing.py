"""How chosen and rejected completions of one prompt are paired."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ratchet.records import Record


class RepairConfig(Record):
    """A second opinion on each pair: what is in the other order for it is swapped or dropped (judge-free, CSR)."""

    by: str = Field(description="the verifier whose scores are compared, as verdicts call it")
    do: Literal["swap", "drop"] = "drop"


class PairsConfig(Record):
    """Chosen and rejected completions of one prompt."""

    max_per_prompt: int | None = Field(2, ge=1, description="null: every pair that fits")
    choose: Literal["widest", "best_worst", "alike"] = Field(
        "widest",
        description="widest: largest score gap first; best_worst: the best with the worst, the second best with the second "
        "worst, ...; alike: most alike in length first",
    )
    negatives: Literal["verified", "trusted"] = Field(
        "verified",
        description="verified: a negative is rejected if it failed; trusted: whatever the verifiers say of it (STIC)",
    )
    texts: bool = Field(
        True,
        description="pair right answers with wrong ones; false: only pairs of inputs (Image-DPO), with images: true",
    )
    images: bool = Field(
        False, description="also pair a right answer's picture with its corrupted one (mDPO, Image-DPO): `use: input`"
    )
    min_margin: float = Field(0.5, gt=0, le=1, description="least score gap")
    max_length_ratio: float | None = Field(
        None, gt=1, description="longest over shortest of a pair, in tokens; null: any"
    )
    mean_length_ratio: float | None = Field(
        None,
        gt=1,
        description="over the whole set, the larger over the smaller of the mean lengths of chosen and rejected, in tokens: "
        "pairs are dropped until it holds (RLAIF-V); null: off",
    )
    repair: RepairConfig | None = Field(None, description="compare each pair with another verifier's scores; null: not")

    @model_validator(mode="after")
    def _makes_some(self) -> PairsConfig:
        if not (self.texts or self.images):
            raise ValueError("filter.pairs has texts and images false, so it makes no pairs; set one of them to true")
        return self
