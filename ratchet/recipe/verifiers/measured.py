"""Verifiers that measure an answer with a model's numbers: likelihoods, similarities, rewards."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from ratchet.errors import SamplingError
from ratchet.recipe.corruptions import CORRUPTIONS, settle
from ratchet.recipe.strategies.templates import checker
from ratchet.recipe.verifiers.base import VerifierBase

Template = Annotated[str, AfterValidator(checker("answer", may=("question",)))]


class MeasuredBase(VerifierBase):
    """A number for each answer, as a score in 0..1 by a function that keeps the order, or by its rank in the group.

    Rank: the place among the group's different numbers, 0 the smallest and 1 the largest; a group with one alone is unscored.
    """

    evidence: ClassVar[Literal["model"]] = "model"

    score: Literal["value", "rank"] = Field(
        "rank", description="value: the number itself, mapped to 0..1; rank: in the group"
    )
    threshold: float = Field(0.5, ge=0, le=1, description="least score that passes")


class LikelihoodConfig(MeasuredBase):
    """How likely the answer is to a model. Value: exp(log p), which is the geometric mean of the tokens' p for `per` token."""

    name: Literal["likelihood"] = "likelihood"
    judge: str = Field("seed", description="whose likelihood: a name in verify.judges, or seed")
    per: Literal["token", "sum"] = Field("token", description="mean over the answer's tokens, or their sum")


class ConditioningConfig(MeasuredBase):
    """How much likelier the answer is with its picture than without, or than with a corrupted one.

    d = log p(answer | picture) - log p(answer | against), in nats. Value: 1 / (1 + exp(-d)), so that .5 is a picture that
    makes no difference.
    """

    name: Literal["conditioning"] = "conditioning"
    judge: str = Field("seed", description="whose likelihood: a name in verify.judges, or seed")
    against: str = Field("none", description=f"none: no picture; or a corruption: {', '.join(CORRUPTIONS)}")
    params: dict[str, float] = Field(default_factory=dict, description="the corruption's parameters")
    per: Literal["token", "sum"] = Field("sum", description="the whole answer, or the mean over its tokens")
    score: Literal["value", "rank"] = Field(
        "value", description="value: the difference, mapped to 0..1; rank: in the group"
    )

    @model_validator(mode="after")
    def _corruption_is_there(self) -> ConditioningConfig:
        if self.against == "none":
            if self.params:
                raise ValueError("params belong to a corruption; set against to one, or leave them out")
            return self
        try:
            settle(self.against, self.params)
        except SamplingError as error:
            raise ValueError(str(error)) from error
        return self


class SmallScorerConfig(MeasuredBase):
    """Image-text similarity and own likelihood (CSR, arXiv 2405.14622).

    `weight` of the similarity's rank and the rest of the likelihood's; or of their values, max(0, cosine) and the geometric
    mean of the tokens' p.
    """

    name: Literal["small_scorer"] = "small_scorer"
    model: str = Field(
        description="a CLIP- or SigLIP-like model: a folder, s3://, models:/name@alias or hf://repo@revision"
    )
    text: Template = Field("{answer}", description="what is compared with the picture; may name {question}")
    weight: float = Field(0.9, ge=0, le=1, description="the similarity's share of the score")
    judge: str = Field("seed", description="whose likelihood: a name in verify.judges, or seed")
    batch_size: int = Field(64, gt=0, description="pictures or texts at once")


class RewardModelConfig(MeasuredBase):
    """A reward model's scalar (a sequence classifier with one output). Value: 1 / (1 + exp(-reward)).

    Pictures are shown to models that take them; others read the text alone.
    """

    name: Literal["reward_model"] = "reward_model"
    model: str = Field(description="a sequence classifier: a folder, s3://, models:/name@alias or hf://repo@revision")
    text: Template | None = Field(
        None, description="null: the tokenizer's chat template, or else question, line end, answer"
    )
    batch_size: int = Field(32, gt=0, description="answers at once")
    score: Literal["value", "rank"] = Field(
        "value", description="value: the reward, mapped to 0..1; rank: in the group"
    )


MeasuredFamily = LikelihoodConfig | ConditioningConfig | SmallScorerConfig | RewardModelConfig
