"""Verifiers that let answers vote: those of the group, or further ones of the same model."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ratchet.recipe.verifiers.base import VerifierBase


class MajorityConfig(VerifierBase):
    """What most of the group's answers say is right (MM-UPT, arXiv 2505.22453)."""

    evidence: ClassVar[Literal["votes"]] = "votes"

    name: Literal["majority"] = "majority"
    floor: float = Field(0.5, ge=0, le=1, description="least share of the group's answers; below it nobody is judged")


VoteFamily = MajorityConfig
