"""What is kept of the verified groups."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record


class PairsConfig(Record):
    """Chosen and rejected completions of one prompt."""

    max_per_prompt: int = Field(2, ge=1)
    negatives: Literal["verified", "trusted"] = Field(
        "verified",
        description="verified: a negative is rejected if it failed; trusted: whatever the verifiers say of it (STIC)",
    )
    images: bool = Field(
        False, description="also pair a right answer's picture with its corrupted one (mDPO, Image-DPO): `use: input`"
    )
    min_margin: float = Field(0.5, gt=0, le=1, description="least score gap")
    max_length_ratio: float | None = Field(
        None, gt=1, description="longest over shortest of a pair, in tokens; null: any"
    )


class FilterConfig(Record):
    """What is kept of the verified groups. Every drop has a reason and is counted."""

    min_pass_rate: float = Field(
        0.01, ge=0, le=1, description="groups with a lower share of passed completions are dropped (too hard)"
    )
    max_pass_rate: float = Field(
        1.0, ge=0, le=1, description="groups with a higher share are dropped (nothing to learn)"
    )
    completions_per_prompt: int = Field(1, ge=1, description="verified completions kept for SFT")
    choose: Literal["first", "shortest", "likeliest"] = "first"
    dedup_exact: bool = True
    dedup_near_bits: int | None = Field(
        None,
        ge=0,
        le=16,
        description="perceptual-hash distance at which two pictures with one question are the same; null: off",
    )
    decontaminate: bool = Field(
        True, description="drop what shares a picture or a prompt with the holdout or report split"
    )
    decontaminate_near_bits: int | None = Field(
        None, ge=0, le=16, description="also by perceptual hash, within this distance; null: exact only"
    )
    per_skill: int | None = Field(None, gt=0, description="most groups of one skill; null: no cap")
    balance: float | None = Field(
        None, ge=1, description="most groups of one skill, as a multiple of the rarest; null: off"
    )
    pairs: PairsConfig | None = None

    def sources(self) -> tuple[str, ...]:
        """Models that must be pinned before the round works with them."""
        return ()
