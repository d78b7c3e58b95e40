"""Rules: pure checks of one answer against the prompt's reference, or of its form alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.recipe.verifiers.base import VerifierBase


class PlainRuleConfig(VerifierBase):
    """A rule without options."""

    name: Literal["exact", "choice", "yes_no", "set_f1", "objects"]


class NumericConfig(VerifierBase):
    """The one number in the answer."""

    name: Literal["numeric"] = "numeric"
    tolerance: float = Field(0.0, ge=0, lt=1, description="largest relative error that passes")


RuleFamily = PlainRuleConfig | NumericConfig
