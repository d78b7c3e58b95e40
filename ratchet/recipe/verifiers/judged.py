"""Verifiers that ask a model what it thinks of an answer."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ratchet.recipe.verifiers.base import VerifierBase


class JudgedBase(VerifierBase):
    """`judge` is a name in verify.judges, or seed: the round's own seed."""

    evidence: ClassVar[Literal["model"]] = "model"

    judge: str = Field("seed", description="who is asked: a name in verify.judges, or seed")


class RubricConfig(JudgedBase):
    """One answer at a time against criteria."""

    name: Literal["rubric"] = "rubric"


JudgedFamily = RubricConfig
