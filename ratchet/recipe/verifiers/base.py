"""What every verifier's configuration has."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ratchet.records import Record

OWN = "prompt"
"""Stands in a list of verifiers for those that each prompt names itself, and in weights for all of them."""

Where = Literal["auto", "whole", "first", "last", "boxed", "tagged"]
"""Where a completion's answer stands."""


class VerifierBase(Record):
    """`label` is what verdicts, weights and reports call it: two of a kind need two labels."""

    evidence: ClassVar[Literal["rule", "form", "model", "votes", "environment"]] = "rule"
    """From what it decides: a label or rule, the answer's form alone, a model (see `judge`), the model's own votes, or a world."""

    name: str
    label: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,39}$", description="name in verdicts; null: `name`")

    @property
    def called(self) -> str:
        return self.label or self.name

    @property
    def labelled(self) -> bool:
        """Whether it also reads the prompt's reference, though it decides from something else."""
        return False


class OwnConfig(VerifierBase):
    """The verifiers that each prompt names."""

    name: Literal["prompt"] = "prompt"
    label: None = None
