"""What is kept while a training runs, and which of it is taken."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ratchet.records import Record


class CheckpointsConfig(Record):
    """What is kept while a training runs, and which of it becomes the candidate.

    `best` validation asks the policy prompts of the `validation` split, with the evaluation's settings, never the holdout; the
    look after the seed with the highest accuracy is the candidate, of equal ones the earliest.
    """

    every: int | None = Field(
        200, gt=0, description="steps between checkpoints that a killed training goes on from; null: none"
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

    @model_validator(mode="after")
    def _read(self) -> CheckpointsConfig:
        given = {"validate_every": self.validate_every, "patience": self.patience}
        idle = [name for name, value in given.items() if value is not None]
        if self.best == "last" and idle:
            raise ValueError(
                f"train.checkpoints.{' and '.join(idle)} are of looks at validation, but train.checkpoints.best is last; remove "
                "them, or set best: validation"
            )
        return self
