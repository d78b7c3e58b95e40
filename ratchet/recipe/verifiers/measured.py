"""Verifiers that measure an answer with a model's numbers: likelihoods, similarities, rewards."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ratchet.recipe.verifiers.base import VerifierBase


class ConditioningConfig(VerifierBase):
    """How much likelier the answer is with its picture than without."""

    evidence: ClassVar[Literal["model"]] = "model"

    name: Literal["conditioning"] = "conditioning"
    judge: str = Field("seed", description="whose likelihood: a name in verify.judges, or seed")


MeasuredFamily = ConditioningConfig
