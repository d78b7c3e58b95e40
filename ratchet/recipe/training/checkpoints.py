"""What is kept while a training runs, and which of it is taken."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record


class CheckpointsConfig(Record):
    """What is kept while a training runs, and which of it becomes the candidate.

    `best` validation asks the policy prompts of the `validation` split, with the evaluation's settings, never the holdout.
    """

    every: int | None = Field(
        None, gt=0, description="steps between checkpoints that a killed training goes on from; null: none"
    )
    keep: int = Field(
        2, ge=1, description="checkpoints that stay in the store; all are removed once the model is there"
    )
    best: Literal["last", "validation"] = "last"
    validate_every: int | None = Field(
        None, gt=0, description="steps between looks at validation; null: a tenth of the steps"
    )
    items: int = Field(500, gt=0, description="most validation prompts of a look")
    patience: int | None = Field(
        None, gt=0, description="looks without a better one after which training stops; null: never"
    )
