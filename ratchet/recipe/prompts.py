"""Where questions and pictures come from."""

from __future__ import annotations

from pydantic import Field

from ratchet.records import Record


class PromptsConfig(Record):
    """Where questions come from. `tinyworld` draws fresh ones each round; anything else names an imported prompt set."""

    source: str = Field("tinyworld", description="tinyworld, or the name, digest or URI of an imported prompt set")
    pictures: str | None = Field(
        None, description="an imported set whose pool stands in for the source's: pictures to ask about; null: none"
    )
    pool: int = Field(4050, gt=0, description="prompts to learn from, a round")
    validation: int = Field(180, ge=0, description="prompts that steer data and checkpoints, a round")
    holdout: int = Field(4500, gt=0, description="prompts for the gate alone, a round")
    report: int = Field(2700, gt=0, description="prompts that are read once, at the end, by no decision")
    skills: tuple[str, ...] | None = Field(None, description="skills to draw; null: all that the source has")
