"""Verifiers that let answers vote: those of the group, or further ones of the same model."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ratchet.recipe.verifiers.base import VerifierBase


class MajorityConfig(VerifierBase):
    """What most of the group's answers say is right (MM-UPT, arXiv 2505.22453).

    A group that `floor`, `min_voters`, `max_difficulty` or `max_entropy` leave out is unscored, not wrong.
    """

    evidence: ClassVar[Literal["votes"]] = "votes"

    name: Literal["majority"] = "majority"
    floor: float = Field(0.5, ge=0, le=1, description="least share of the group's answers; below it nobody is judged")
    min_voters: int = Field(2, ge=1, description="fewest answers that make a majority")
    max_difficulty: float | None = Field(None, description="prompts that are harder are left out; null: none")
    max_entropy: float | None = Field(
        None, ge=0, le=1, description="groups whose answers differ more are left out; 1: all say something else"
    )
    score: Literal["vote", "share"] = Field(
        "vote", description="vote: 1 with the majority, else 0; share: of the answers that say the same"
    )
    min_precision: float | None = Field(
        None, ge=0, le=1, description="least precision that the votes themselves promise; below it the round stops"
    )


VoteFamily = MajorityConfig
