"""In which order, and how much of the rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ratchet.recipe.training.numbers import Finite

Modality = Literal["one_picture", "many_pictures"]


class GrowthConfig(Finite):
    """More rows from round to round: round n learns from the share min(1, start + step * (n - 1)) of its prompts.

    Which prompts these are depends on the prompts alone, so where rounds share a pool each one's are among the next one's.
    """

    start: float = Field(0.5, gt=0, le=1)
    step: float = Field(0.25, ge=0, le=1)

    def share(self, number: int) -> float:
        """Of round `number`, from 1 on."""
        return min(1.0, self.start + self.step * (number - 1))


class CurriculumConfig(Finite):
    """What of the rows is learned from, and when.

    Every epoch has as many rows as there are, and its own order: by modality, then by skill, then by difficulty; rows that are
    alike in these are shuffled. Re-balancing changes how often a row comes in an epoch, not when.
    """

    order: Literal["shuffled", "easy_first", "hard_first"] = Field(
        "shuffled", description="by the group's pass rate, within each epoch; groups that nothing judged come last"
    )
    bands: int = Field(5, ge=2, description="bands of pass rate; rows are shuffled within one")
    modalities: tuple[Modality, ...] | None = Field(
        None,
        min_length=1,
        description="kinds of rows in the order in which they are learned; a kind that is not named comes last; null: together",
    )
    skills: tuple[str, ...] | None = Field(
        None, min_length=1, description="skills that are learned first, one after the other, the others after them"
    )
    growth: GrowthConfig | None = Field(None, description="null: all rows in every round")
    balance: Literal["none", "skill", "difficulty"] = Field(
        "none",
        description="rows of a rare skill or band of pass rate come more often in an epoch, of a common one less",
    )
    balance_power: float = Field(
        0.5, gt=0, le=1, description="a row of a cell of n rows comes n**-power times as often; 1: every cell as often"
    )

    @model_validator(mode="after")
    def _each_once(self) -> CurriculumConfig:
        for name, listed in (("modalities", self.modalities), ("skills", self.skills)):
            if listed is not None and len(set(listed)) < len(listed):
                raise ValueError(f"train.curriculum.{name} names {', '.join(listed)}; name each once")
        return self
