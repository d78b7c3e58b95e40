"""How seed and candidate are measured."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ratchet.recipe.engines import EndpointConfig, EngineConfig, TransformersConfig
from ratchet.records import Record

BESIDE = ("suites", "contamination", "cache", "weakness")
"""Fields that change nothing in how prompts are asked and scored outside of suites."""


class PassAtKConfig(Record):
    k: int = Field(4, ge=2)
    prompts: int = Field(900, gt=0, description="holdout prompts that are sampled")
    temperature: float = Field(1.0, gt=0)


class SuiteConfig(Record):
    """One benchmark that both models answer beside the holdout. The gate decides by the holdout alone.

    `source` is for suites that read files, `items` and `size` for those that draw their questions, anew in each round.
    """

    name: str = Field(min_length=1, description="as `ratchet evaluate suites` lists it")
    source: str | None = Field(
        None, min_length=1, description="the folder or s3:// address with the benchmark's own files"
    )
    items: int | None = Field(None, gt=0, description="how many questions to draw, of a suite that draws them")
    size: int | None = Field(None, gt=0, description="side of the drawn pictures in pixels; null: the suite's first")
    parts: tuple[str, ...] = Field(
        (), description="its variants, such as POPE's adversarial; none: all, of MMMU validation"
    )
    limit: int | None = Field(None, gt=0, description="about so many questions, the same each time; null: all")
    judge: str | None = Field(None, description="a judge of verify.judges, for a suite that is marked by one")
    max_new_tokens: int | None = Field(None, gt=0, description="longest answer in tokens; null: the suite's own")
    pass_at_k: PassAtKConfig | None = Field(None, description="sample so many of its questions too; null: greedy only")

    @model_validator(mode="after")
    def _read_or_drawn(self) -> SuiteConfig:
        if (self.source is None) == (self.items is None):
            raise ValueError(
                f"suite {self.name} needs either source, the benchmark's files, or items, the number of questions to draw"
            )
        if self.items is None and self.size is not None:
            raise ValueError(f"suite {self.name}: size is of drawn pictures; leave it out beside source")
        if self.items is not None and self.limit is not None:
            raise ValueError(f"suite {self.name}: limit is for files; set items alone")
        return self


class ContaminationConfig(Record):
    """What of a suite counts as seen: its pictures or words in the pool that the round learns from."""

    near_bits: int | None = Field(4, ge=0, le=16, description="perceptual hashes this near are one picture; null: off")
    ngram: int | None = Field(13, ge=8, le=16, description="so many words in a row in common; null: off")


class EvaluateConfig(Record):
    """How seed and candidate are measured, on the same items."""

    batch_size: int = Field(256, gt=0)
    max_new_tokens: int = Field(32, gt=0)
    pass_at_k: PassAtKConfig | None = PassAtKConfig()
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    weakness: bool = Field(
        False, description="also report what both models get wrong on validation (`ratchet weakness`)"
    )
    engine: EngineConfig = Field(TransformersConfig(), description="transformers or vllm")
    cache: bool = Field(True, description="keep greedy answers in the store, and never ask a model the same twice")
    suites: tuple[SuiteConfig, ...] = Field((), description="benchmarks that both models answer beside the holdout")
    contamination: ContaminationConfig | None = Field(
        ContaminationConfig(), description="look for the suites' items in the pool; null: do not"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> EvaluateConfig:
        if isinstance(self.engine, EndpointConfig):
            raise ValueError(
                "engine endpoint serves one model, and a round compares two; set engine to transformers or vllm, or measure a "
                "served model with `ratchet evaluate suite NAME --engine endpoint`"
            )
        names = [suite.name for suite in self.suites]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"suites name {', '.join(twice)} more than once; give one entry each, with all its parts")
        return self

    @property
    def asking(self) -> dict[str, Any]:
        """What answers and scores of prompts depend on; suites beside them change neither."""
        return self.model_dump(mode="json", exclude=set(BESIDE))
