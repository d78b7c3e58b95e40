"""What is kept of a whole set of groups: near duplicates, diversity, replay."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record


class TextDedupConfig(Record):
    """Near duplicates of text: shingles of characters, compared by their Jaccard similarity (MinHash, Broder 1997)."""

    similarity: float = Field(0.8, ge=0.3, lt=1, description="Jaccard similarity from which two texts are the same")
    of: Literal["question", "answers", "both"] = Field(
        "question", description="answers: the completions kept for imitation; both: question and answers together"
    )
    scope: Literal["pictures", "any"] = Field(
        "pictures", description="pictures: only texts about the same pictures are compared; any: all of them"
    )
    shingle: int = Field(5, ge=1, le=32, description="characters of a shingle")


class ReplayConfig(Record):
    """Groups that earlier rounds of the loop kept, learned from again: against forgetting, and for steadier rounds."""

    share: float = Field(0.2, gt=0, lt=1, description="of all that is learned from, at most; drawn by hash")
    rounds: int = Field(3, ge=1, description="from the last so many rounds that are asked for by `only`")
    only: Literal["promoted", "any"] = Field(
        "promoted", description="promoted: rounds whose candidate became champion; any: all but those an alarm stopped"
    )
