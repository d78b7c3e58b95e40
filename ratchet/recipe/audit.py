"""How verifiers are themselves measured in a round, and what they must reach for it to go on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ratchet.recipe.negatives import Words
from ratchet.records import Record

COMBINED = "combined"
"""What an audit calls all of a recipe's verdicts together, as its policy combines them."""


class AuditConfig(Record):
    """The verifiers of the recipe on labelled prompts of the validation split, before anything is verified by them."""

    prompts: int = Field(200, gt=0, description="validation prompts with a reference and verifiers")
    k: int = Field(4, ge=1, description="answers of the seed to each, beside the reference and its corruptions")
    temperature: float = Field(1.0, gt=0)
    judges_answer: bool = Field(
        False, description="the judges' models answer too, which shows whether they prefer their own answers"
    )
    words: Words | None = Field(
        None, description="whose words corruptions exchange; null: tinyworld for its prompts, else english"
    )
    min_precision: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict,
        description=f"by verifier, or {COMBINED}: the round stops if its precision is below",
    )
    min_precision_by: Literal["estimate", "interval"] = Field(
        "estimate", description="what must reach min_precision: the estimate, or the lower end of its 95% interval"
    )
