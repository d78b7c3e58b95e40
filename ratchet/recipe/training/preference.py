"""Preference terms that look at the picture, beside TRL's losses."""

from __future__ import annotations

from pydantic import Field

from ratchet.records import Record


class PictureTermsConfig(Record):
    """Terms of the loss in which the picture differs, not the answer; each is added with its weight.

    conditional and anchor: mDPO (arXiv 2406.11839). conditional alone, with several corruptions: Image-DPO (arXiv 2501.00569).
    noised_rejected: POVID's second stage (arXiv 2402.11411). content: SENA (arXiv 2412.xxxxx).
    """

    conditional: float = Field(
        0.0, ge=0, description="the same answer is likelier beside its picture than beside a bad one"
    )
    anchor: float = Field(0.0, ge=0, description="the chosen answer's reward stays above anchor_margin")
    anchor_margin: float = 0.0
    noised_rejected: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="diffusion step (of 1000) of the picture that the rejected side is read beside; null: its own",
    )
    content: float = Field(0.0, ge=0, description="log-likelihood of what describes the picture")
    bad: str = Field("crop", description="corruption that makes the bad picture where the pairs bring none")
