"""Verifiers that do what the answer says in an environment and look what comes of it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ratchet.recipe.verifiers.base import VerifierBase


class EnvironmentVerifierBase(VerifierBase):
    """The prompt names the environment and the state that it starts from."""

    evidence: ClassVar[Literal["environment"]] = "environment"


class NavigateConfig(EnvironmentVerifierBase):
    """Moves on a grid that is drawn as a picture: any way that reaches the goal is right."""

    name: Literal["navigate"] = "navigate"


class DrawConfig(EnvironmentVerifierBase):
    """Draw it again: the answer is a drawing program, which is run, and its drawing compared with the prompt's picture."""

    name: Literal["draw"] = "draw"
    threshold: float | None = Field(
        None,
        gt=0,
        le=1,
        description="least likeness of drawing and picture that passes; null: words .995, svg and python .9",
    )
    cpu_seconds: int = Field(2, gt=0, le=60, description="CPU time of one program")
    memory_mib: int = Field(256, ge=128, le=4096, description="memory of one program, its interpreter included")


class TransformsConfig(EnvironmentVerifierBase):
    """What was done to a picture: the answer is applied, or undone, and the pixels compared."""

    name: Literal["transforms"] = "transforms"


EnvironmentFamily = NavigateConfig | DrawConfig | TransformsConfig
