"""How verifiers are themselves measured in a round, and what they must reach for it to go on."""

from __future__ import annotations

from pydantic import Field

from ratchet.records import Record


class AuditConfig(Record):
    """The verifiers of the recipe on labelled prompts of the validation split."""

    prompts: int = Field(200, gt=0, description="validation prompts with a reference")
    k: int = Field(4, ge=1, description="answers of the seed to each, beside the reference and its corruptions")
    temperature: float = Field(1.0, gt=0)
    min_precision: dict[str, float] = Field(
        default_factory=dict, description="by verifier: the round stops if its precision is below"
    )
