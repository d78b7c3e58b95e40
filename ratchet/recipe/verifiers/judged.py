"""Verifiers that ask a model what it thinks of an answer. Templates left out are `ratchet.verify.judges.prompts`'s own."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ratchet.recipe.strategies.templates import having
from ratchet.recipe.verifiers.base import VerifierBase

Combine = Literal["mean", "min", "last"]
By = Literal["reply", "likelihood"]
Criteria = Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]

_BY = "reply: yes or no; likelihood: how sure the judge is of the one word that it said"
_PASSES = "least score that passes"


class JudgedBase(VerifierBase):
    """`judge` is a name in verify.judges, or seed: the round's own seed."""

    evidence: ClassVar[Literal["model"]] = "model"

    judge: str = Field("seed", description="who is asked: a name in verify.judges, or seed")


class ScaleBase(JudgedBase):
    """A score for each criterion on a scale of whole numbers."""

    lowest: int = Field(1, ge=0)
    highest: int = Field(5, ge=1, le=100)
    passes: float = Field(0.75, ge=0, le=1, description=f"{_PASSES}; 0 is the scale's lowest, 1 its highest")

    @model_validator(mode="after")
    def _is_scale(self) -> ScaleBase:
        if self.lowest >= self.highest:
            raise ValueError(f"lowest {self.lowest} is not below highest {self.highest}; a scale needs two numbers")
        return self


class RubricConfig(ScaleBase):
    """One answer at a time against criteria."""

    name: Literal["rubric"] = "rubric"
    criteria: Criteria = Field(
        {"correctness": 0.5, "grounding": 0.3, "completeness": 0.2}, description="what is scored, and its weight"
    )
    template: (
        Annotated[str, having("question", "answer", may=("criteria", "lowest", "highest", "reference"))] | None
    ) = Field(None, description="what the judge reads; {reference} shows it the prompt's reference")

    @property
    def labelled(self) -> bool:
        return self.template is not None and "{reference}" in self.template


class CritiqueConfig(ScaleBase):
    """A critique first, then scores with the critique in view (LLaVA-Critic, arXiv 2410.02712; SIMA's criteria, 2405.15973)."""

    name: Literal["critique"] = "critique"
    criteria: Criteria = Field({"objects": 1.0, "relations": 1.0, "attributes": 1.0})
    critique: Annotated[str, having("question", "answer", may=("criteria",))] | None = Field(
        None, description="asks for the critique"
    )
    template: Annotated[str, having("question", "answer", "critique", may=("criteria", "lowest", "highest"))] | None = (
        Field(None, description="asks for the scores")
    )


class PairwiseConfig(JudgedBase):
    """Which of two answers is better, asked in both orders; where the order decides, nobody has won.

    The score is the share of comparisons that are won, a tie counting half.
    """

    name: Literal["pairwise"] = "pairwise"
    against: Literal["others", "reference"] = Field("others", description="the group's other answers, or the reference")
    opponents: int = Field(1, ge=1, le=16, description="others: with how many each answer is compared")
    words: tuple[str, str, str] = Field(
        ("first", "second", "same"), description="how the judge names the first answer, the second, and neither"
    )
    template: Annotated[str, having("question", "first", "second")] | None = None

    @model_validator(mode="after")
    def _words_differ(self) -> PairwiseConfig:
        if len({word.strip().casefold() for word in self.words} - {""}) != 3:
            raise ValueError(f"words {', '.join(self.words)} are not three different words")
        return self

    @property
    def labelled(self) -> bool:
        return self.against == "reference"


class ClaimsConfig(JudgedBase):
    """Divide and conquer (RLAIF-V, arXiv 2405.17220): an answer's claims, each asked as a yes or no question, scored together."""

    name: Literal["claims"] = "claims"
    splitter: Literal["model", "list"] = Field(
        "model", description="model: the judge names the claims; list: what commas separate"
    )
    split: Annotated[str, having("answer", may=("question",))] | None = Field(
        None, description="splitter model: asks for the claims"
    )
    template: Annotated[str, having("claim", may=("question",))] | None = Field(
        None, description="the yes or no question about one claim"
    )
    by: By = Field("reply", description=_BY)
    combine: Literal["mean", "min"] = Field("mean", description="mean: share of claims that hold; min: the worst claim")
    passes: float = Field(1.0, ge=0, le=1, description=_PASSES)
    most: int = Field(32, ge=1, le=256, description="an answer with more claims is not judged")

    @model_validator(mode="after")
    def _split_is_used(self) -> ClaimsConfig:
        if self.splitter == "list" and self.split is not None:
            raise ValueError("split is not used by splitter list; remove it, or set splitter to model")
        return self


class SelfCheckConfig(JudgedBase):
    """Answer, then check (Genixer, arXiv 2312.06731): the judge, usually the seed itself, looks at the answer again."""

    name: Literal["self_check"] = "self_check"
    expects: Literal["yes", "answer"] = Field(
        "yes", description="yes: the check asks whether it is right; answer: the check must say the same as the answer"
    )
    template: Annotated[str, having("question", may=("answer",))] | None = None
    by: By = Field("reply", description=f"{_BY}; expects yes only")
    passes: float = Field(0.5, ge=0, le=1, description=_PASSES)

    @model_validator(mode="after")
    def _fits(self) -> SelfCheckConfig:
        if self.expects == "yes" and self.template is not None and "{answer}" not in self.template:
            raise ValueError("expects yes needs {answer} in the template, or the judge is never shown it; add it")
        if self.expects == "answer" and self.template is None:
            raise ValueError("expects answer needs a template, such as 'look carefully . {question}'")
        if self.expects == "answer" and self.by == "likelihood":
            raise ValueError("by likelihood is for expects yes; remove it")
        return self


class CaptionConsistencyConfig(JudgedBase):
    """Whether an answer agrees with the judge's own caption of the picture; the comparison sees the caption's text only."""

    name: Literal["caption_consistency"] = "caption_consistency"
    caption: Annotated[str, having(may=("question",))] | None = Field(None, description="asks for the caption")
    template: Annotated[str, having("caption", "question", "answer")] | None = Field(
        None, description="the yes or no question about caption and answer"
    )
    by: By = Field("reply", description=_BY)
    passes: float = Field(0.5, ge=0, le=1, description=_PASSES)


class StepBase(JudgedBase):
    """Scores of the steps of a chain, as one."""

    split: Literal["lines", "sentences"] | str = Field(
        "lines", min_length=1, description="where a step ends: lines, sentences, or a text that separates steps"
    )
    combine: Combine = Field("mean", description="of the steps' scores; last: the last step's")
    passes: float = Field(0.5, ge=0, le=1, description=_PASSES)
    most: int = Field(32, ge=1, le=128, description="a chain with more steps is not judged")


class StepsConfig(StepBase):
    """A process reward: the judge says of each step, with those before it in view, whether it is right (VisualPRM, 2503.10291)."""

    name: Literal["steps"] = "steps"
    template: Annotated[str, having("question", "step", may=("before",))] | None = None
    by: By = Field("reply", description=_BY)


class StepValuesConfig(StepBase):
    """Monte-Carlo values of steps: the share of continuations from each that end right by the prompt's own rules (VisualPRM)."""

    name: Literal["step_values"] = "step_values"
    continuations: int = Field(8, ge=1, le=256, description="from each step")
    temperature: float = Field(1.0, gt=0)

    @property
    def labelled(self) -> bool:
        return True


JudgedFamily = (
    RubricConfig
    | CritiqueConfig
    | PairwiseConfig
    | ClaimsConfig
    | SelfCheckConfig
    | CaptionConsistencyConfig
    | StepsConfig
    | StepValuesConfig
)
