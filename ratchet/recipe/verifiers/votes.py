"""Verifiers that let answers vote: those of the group, or further ones of the same model."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator

from ratchet.recipe.verifiers.base import VerifierBase


def _naming_object(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
    if "object" not in groups:
        raise ValueError(f"{pattern!r} names no object; write (?P<object>...) where it stands in the question")
    return pattern


class MajorityConfig(VerifierBase):
    """What most of the group's answers say is right (MM-UPT, arXiv 2505.22453).

    A group that `floor`, `min_voters`, `max_difficulty` or `max_entropy` leave out is unscored, not wrong.
    """

    evidence: ClassVar[Literal["votes"]] = "votes"

    name: Literal["majority"] = "majority"
    floor: float = Field(0.5, ge=0, le=1, description="least share of the group's answers; below it nobody is judged")
    min_voters: int = Field(2, ge=1, description="fewest answers that make a majority")
    max_difficulty: float | None = Field(None, description="prompts that are harder are left out; null: none")
    max_entropy: float | None = Field(
        None, ge=0, le=1, description="groups whose answers differ more are left out; 1: all say something else"
    )
    score: Literal["vote", "share"] = Field(
        "vote", description="vote: 1 with the majority, else 0; share: of the answers that say the same"
    )
    min_precision: float | None = Field(
        None, ge=0, le=1, description="least precision that the votes themselves promise; below it the round stops"
    )


View = Literal["noise", "brightness", "contrast", "jpeg"]
STRENGTHS: dict[View, tuple[float, float, str]] = {
    "noise": (1, 64, "standard deviation, levels of 0 to 255"),
    "brightness": (0.01, 0.9, "factor 1 +-"),
    "contrast": (0.01, 0.9, "factor 1 +-"),
    "jpeg": (1, 95, "quality"),
}
"""Least and largest strength of each kind of view, and its unit."""


class ViewsConfig(VerifierBase):
    """The model answers the same question about slightly changed pictures: the share of them that it answers the same.

    Choose changes that keep every right answer right: nothing here moves, cuts or recolours.
    """

    evidence: ClassVar[Literal["votes"]] = "votes"

    name: Literal["views"] = "views"
    judge: str = Field("seed", description="who answers: a name in verify.judges, or seed")
    views: dict[View, float] = Field(
        {"noise": 6.0, "brightness": 0.1, "jpeg": 75.0},
        min_length=1,
        description="; ".join(f"{kind}: {low:g} to {high:g} ({unit})" for kind, (low, high, unit) in STRENGTHS.items()),
    )
    each: int = Field(2, ge=1, le=16, description="pictures of each kind")
    threshold: float = Field(0.5, ge=0, le=1, description="least share of the views that passes")
    max_new_tokens: int | None = Field(
        None, gt=0, description="of an answer to a view; null: as many as the group's had"
    )

    @field_validator("views")
    @classmethod
    def _strong_enough(cls, views: dict[View, float]) -> dict[View, float]:
        for kind, strength in views.items():
            low, high, unit = STRENGTHS[kind]
            if not low <= strength <= high:
                raise ValueError(f"view {kind} {strength:g} must be from {low:g} to {high:g} ({unit})")
        return views


Question = Annotated[str, AfterValidator(_naming_object)]


class OwnCaptionConfig(VerifierBase):
    """A rule compares the answer with the model's own list of what is in the picture: numbers and existence.

    Questions that the patterns do not fit are unscored.
    """

    evidence: ClassVar[Literal["votes"]] = "votes"

    name: Literal["own_caption"] = "own_caption"
    judge: str = Field("seed", description="who lists: a name in verify.judges, or seed")
    ask: str = Field(
        "List every object in the picture, each as often as it is there, with commas between them and nothing else.",
        min_length=1,
        description="the question that gets the list",
    )
    count: Question | None = Field(
        r"how many (?P<object>.+?)(?: (?:are|do|can|is)\b.*| in the .*)?\s*\?",
        description="a regular expression for questions of number, lower case; null: none",
    )
    exist: Question | None = Field(
        r"(?:is|are) there (?:a |an |any )?(?P<object>.+?)(?: in the .*)?\s*\?",
        description="one for questions of existence; null: none",
    )
    max_new_tokens: int | None = Field(None, gt=0, description="of the list; null: as many as the group's answers had")


class SufficientConfig(VerifierBase):
    """A description is worth something where the model, shown it without the picture, answers right (Vision-SR1, arXiv
    2508.19652). For answers of strategy described; all others are unscored."""

    evidence: ClassVar[Literal["votes"]] = "votes"

    name: Literal["sufficient"] = "sufficient"

    @property
    def labelled(self) -> bool:
        """The answer from the description is judged by the prompt's own verifiers, which read the reference."""
        return True


VoteFamily = MajorityConfig | ViewsConfig | OwnCaptionConfig | SufficientConfig
