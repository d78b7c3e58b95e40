"""What is kept of the verified groups."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ratchet.recipe.curation import DiversityConfig, EmbeddingDedupConfig, ReplayConfig, TextDedupConfig
from ratchet.recipe.judges import SEED
from ratchet.recipe.pairing import PairsConfig
from ratchet.records import Record, Use

_FENCED = ("decontaminate_near_bits", "decontaminate_against", "decontaminate_ngram")


class FilterConfig(Record):
    """What is kept of the verified groups. Every drop has a reason and is counted."""

    min_pass_rate: float = Field(
        0.01, ge=0, le=1, description="groups with a lower share of passed completions are dropped (too hard)"
    )
    max_pass_rate: float = Field(
        1.0, ge=0, le=1, description="groups with a higher share are dropped (nothing to learn)"
    )
    clipped_share: float = Field(
        1.0, gt=0, le=1, description="groups of which this share of answers was cut at max_new_tokens are dropped"
    )
    unparsed_share: float = Field(
        1.0, gt=0, le=1, description="groups of which this share of answers holds no readable one are dropped"
    )
    min_score_std: float | None = Field(
        None,
        gt=0,
        le=0.5,
        description="least standard deviation of a group's scores for it to serve RL; null: some passed and some failed",
    )
    uses: tuple[Use, ...] | None = Field(
        None,
        min_length=1,
        description="what groups must serve: sft, preference, rl; those that serve none are dropped; null: any",
    )
    completions_per_prompt: int = Field(1, ge=1, description="verified completions kept for SFT")
    choose: Literal["first", "shortest", "likeliest"] = "first"
    max_tokens: int | None = Field(None, gt=0, description="longer answers are neither imitated nor chosen; null: any")
    dedup_exact: bool = True
    dedup_near_bits: int | None = Field(
        None,
        ge=0,
        le=16,
        description="perceptual-hash distance at which two pictures with one question are the same; null: off",
    )
    dedup_text: TextDedupConfig | None = Field(None, description="near duplicates of text; null: off")
    dedup_embedding: EmbeddingDedupConfig | None = Field(
        None, description="near duplicates of pictures by a model's vectors; null: off"
    )
    decontaminate: bool = Field(
        True, description="drop what shares a picture or a prompt with the holdout or report split"
    )
    decontaminate_near_bits: int | None = Field(
        None, ge=0, le=16, description="also by perceptual hash, within this distance; null: exact only"
    )
    decontaminate_near_scope: Literal["question", "any"] = Field(
        "question",
        description="question: only where the question is the same too, as pictures that a program drew look alike; any: whatever is asked",
    )
    decontaminate_against: tuple[str, ...] | Literal["all"] = Field(
        (),
        description="imported prompt sets (name or digest) whose holdout and report splits are kept out too; all: every one",
    )
    decontaminate_ngram: int | None = Field(
        None,
        ge=8,
        le=13,
        description="also what shares so many words in a row with a held-out question and its reference (13: GPT-3); null: off. "
        "Not for questions made by a program: they share their words by design",
    )
    diversity: DiversityConfig | None = Field(None, description="a diverse choice of groups; null: all")
    per_skill: int | None = Field(None, gt=0, description="most groups of one skill; null: no cap")
    per_difficulty: int | None = Field(None, gt=0, description="most groups of one difficulty band; null: no cap")
    per_pass_rate: int | None = Field(None, gt=0, description="most groups of one fifth of the pass rate; null: no cap")
    balance: float | None = Field(
        None, ge=1, description="most groups of one skill, as a multiple of the rarest; null: off"
    )
    pairs: PairsConfig | None = None
    replay: ReplayConfig | None = Field(None, description="learn again from what earlier rounds kept; null: not")

    @model_validator(mode="after")
    def _fits_together(self) -> FilterConfig:
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError(
                f"filter.min_pass_rate {self.min_pass_rate} is above filter.max_pass_rate {self.max_pass_rate}; swap them"
            )
        asked = [name for name in _FENCED if getattr(self, name)]
        if not self.decontaminate and asked:
            raise ValueError(
                f"decontaminate is false, so {', '.join(asked)} would do nothing; set filter.decontaminate to true, or leave them out"
            )
        if self.decontaminate_near_scope == "any" and self.decontaminate_near_bits is None:
            raise ValueError(
                "decontaminate_near_scope any does nothing without filter.decontaminate_near_bits; set it, or leave the scope out"
            )
        if self.diversity is not None and self.diversity.by != "embedding" and self.diversity.model != SEED:
            raise ValueError(
                f"diversity.model {self.diversity.model!r} is not used by: {self.diversity.by}; set by to embedding, or leave it out"
            )
        if self.uses == ("preference",) and self.pairs is None:
            raise ValueError("uses: [preference] keeps groups with pairs only, but pairs is null; set filter.pairs")
        return self

    def sources(self) -> tuple[str, ...]:
        """Models that must be pinned before the round works with them."""
        return tuple(sorted({model for model in self.embedders if model != SEED}))

    @property
    def embedders(self) -> set[str]:
        """Models whose vectors of pictures are compared, as the recipe names them."""
        dedup = {self.dedup_embedding.model} if self.dedup_embedding is not None else set()
        spread = self.diversity is not None and self.diversity.by == "embedding"
        return dedup | ({self.diversity.model} if self.diversity is not None and spread else set())
