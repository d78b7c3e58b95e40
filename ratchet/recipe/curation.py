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


class EmbeddingDedupConfig(Record):
    """Near duplicates of pictures by the vectors of a model."""

    model: str = Field(
        "seed", description="seed, a folder, s3://, models:/name@alias or hf://repo@revision (CLIP, SigLIP)"
    )
    cosine: float = Field(0.95, gt=0, le=1, description="cosine from which two pictures are the same")
    scope: Literal["question", "any"] = Field(
        "question", description="question: only groups with the same question are compared; any: all of them"
    )


class DiversityConfig(Record):
    """At most so many groups, as unlike each other as can be; before caps and balance."""

    keep: int = Field(gt=0, description="most groups")
    by: Literal["text", "pictures", "embedding"] = Field(
        "text",
        description="question and kept answers; looks of the first picture (perceptual hash); or a model's vectors",
    )
    method: Literal["clusters", "k_center"] = Field(
        "clusters", description="clusters: turns between clusters; k_center: farthest first, in time rows times keep"
    )
    clusters: int = Field(64, ge=2, description="of method clusters")
    model: str = Field("seed", description="whose vectors, of by: embedding; as in dedup_embedding")


class ReplayConfig(Record):
    """Groups that earlier rounds of the loop kept, learned from again: against forgetting, and for steadier rounds."""

    share: float = Field(0.2, gt=0, lt=1, description="of all that is learned from, at most; drawn by hash")
    rounds: int = Field(3, ge=1, description="from the last so many rounds that are asked for by `only`")
    only: Literal["promoted", "any"] = Field(
        "promoted", description="promoted: rounds whose candidate became champion; any: all but those an alarm stopped"
    )
