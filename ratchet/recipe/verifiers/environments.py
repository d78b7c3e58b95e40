"""Verifiers that do what the answer says in an environment and look what comes of it."""

from __future__ import annotations

from typing import ClassVar, Literal

from ratchet.recipe.verifiers.base import VerifierBase


class NavigateConfig(VerifierBase):
    """Moves on a grid that is drawn as a picture."""

    evidence: ClassVar[Literal["environment"]] = "environment"

    name: Literal["navigate"] = "navigate"


EnvironmentFamily = NavigateConfig
