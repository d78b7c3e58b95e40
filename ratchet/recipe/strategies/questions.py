r"""Question generation: the model also asks. The prompts of the pool are pictures; what text they carry may be constant.

Texts shown are templates; fields are named at each key. Defaults are for instructed models of 2 to 7B.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ratchet.recipe.strategies.base import StrategyBase
from ratchet.recipe.strategies.templates import checker, having
from ratchet.records import Record

Question = Annotated[str, having("question")]

ASK = (
    "Look at the picture and write one question about it. The answer must be short, must be seen in the picture, and "
    "there must be only one. Ask about a detail: a number, a colour, a place, a relation, or some text. Write only the "
    "question, on one line."
)
ASK_LIKE = "Here is a question that somebody asked about a picture:\n{example}\n\n" + ASK + " Ask something else."
QUESTIONER = (
    "Study the picture and write one question about it that is hard but can be answered by looking closely: let it need "
    "more than one step, such as counting, comparing, reading or relating things. It must have one short answer. Write "
    "only the question, on one line."
)


class RoleConfig(Record):
    """How one role samples; null: as the strategy."""

    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    max_new_tokens: int | None = Field(None, gt=0)


class NoveltyConfig(Record):
    """When a question is new: against the pool's own and the other new questions on the same pictures, in one file's prompts
    (generate.rows_per_file)."""

    overlap: float = Field(
        0.8, gt=0, le=1, description="Jaccard of word n-grams from which two questions are the same; 1: equal n-grams"
    )
    ngram: int = Field(2, ge=1, le=8, description="words of an n-gram")
    across: Literal["pictures", "file"] = Field(
        "pictures", description="pictures: of the same pictures; file: of all pictures in the file"
    )
    most_alike: float | None = Field(
        None, gt=0, le=1, description="most questions of a file that begin with the same two words; null: no cap"
    )


class ChecksConfig(Record):
    """What a question must pass besides being readable and new. null: not checked."""

    answerable: Question | None = Field(
        None, description="asks the model whether {question} can be answered from the picture; it must say yes"
    )
    consistent: float | None = Field(None, gt=0, le=1, description="least share of the answers that agree")
    blind: float | None = Field(
        None, gt=0, le=1, description="share of answers without the picture that agree with those with it: not needed"
    )


class AskingBase(StrategyBase):
    """What all that ask have. `k` answers are sampled to each new question."""

    name: str
    questions: int = Field(1, ge=1, le=64, description="questions asked about each prompt's pictures")
    form_of_question: str = Field(
        "line", description="line: the first that ends with ?; tag: in <question> </question>; else a regex, one group"
    )
    longest: int = Field(400, gt=0, description="characters; a longer question counts as unreadable")
    asker: RoleConfig = RoleConfig()
    solve: Question = Field(
        "{question}\nAnswer with a single word, a number or a short phrase.",
        description="what is shown to get an answer; stored is the question alone",
    )
    skill: str = Field("asked", min_length=1, description="skill of the new prompts")
    novelty: NoveltyConfig = NoveltyConfig()
    checks: ChecksConfig = ChecksConfig()

    @model_validator(mode="after")
    def _form_is_known(self) -> AskingBase:
        if self.form_of_question in ("line", "tag"):
            return self
        try:
            groups = re.compile(self.form_of_question).groups
        except re.error as error:
            raise ValueError(f"form_of_question is neither line, tag nor a regular expression: {error}") from error
        if groups != 1:
            raise ValueError(f"form_of_question has {groups} groups; it needs one, around the question")
        return self

    @model_validator(mode="after")
    def _questions_differ(self) -> AskingBase:
        if self.asker.temperature == 0 and self.questions > 1 and len(getattr(self, "ask", None) or ("",)) == 1:
            raise ValueError(
                f"asker.temperature 0 asks {self.questions} times the same; raise it, give more templates, or ask once"
            )
        return self


class VotingBase(AskingBase):
    """Labels from votes AMPLIFY ERRORS where the model is right less than about half of the time (MM-UPT: 49.47 -> 44.11
    on a hard pool): keep an agreement floor, and look at how right the votes are on a labelled slice."""

    label: Literal["none", "votes"] = Field(
        "none", description="votes: what most answers say becomes the reference, with a verifier that fits its shape"
    )


class AskConfig(VotingBase):
    """A question from the picture alone (direct), or like an example (in_context): MM-UPT, arXiv 2505.22453."""

    name: Literal["ask"] = "ask"
    form: Literal["direct", "in_context"] = "direct"
    ask: tuple[str, ...] | None = Field(
        None, min_length=1, description="templates that ask for a question, in turns; in_context: with {example}"
    )
    examples: tuple[str, ...] = Field((), description="in_context: questions to show; none: the prompt's own")
    agreement: float = Field(0.5, gt=0, le=1, description="label votes: least share of answers that say the same")

    @model_validator(mode="after")
    def _fits_its_form(self) -> AskConfig:
        check = checker("example") if self.form == "in_context" else checker()
        for template in self.ask or ():
            try:
                check(template)
            except ValueError as error:
                raise ValueError(f"ask (form {self.form}): {error}") from error
        return self

    @property
    def templates(self) -> tuple[str, ...]:
        return self.ask or ((ASK_LIKE,) if self.form == "in_context" else (ASK,))


class AskCheckRewriteConfig(VotingBase):
    """Ask, check whether it can be answered, rewrite what cannot (SENA, arXiv 2412.15650)."""

    name: Literal["ask_check_rewrite"] = "ask_check_rewrite"
    ask: tuple[Annotated[str, having()], ...] = Field((ASK,), min_length=1)
    check: Question = Field(
        "Question: {question}\n\nCan this question be answered, with certainty, from what the picture shows? Answer yes or "
        "no.",
        description="asks about {question}; anything but yes counts as no",
    )
    rewrite: Question = Field(
        "This question cannot be answered from the picture: {question}\n\nRewrite it, or ask another one, so that the picture "
        "answers it. Write only the question, on one line.",
        description="asks for a better question in place of {question}",
    )
    rewrites: int = Field(1, ge=0, le=8, description="times that a question is rewritten at most")
    agreement: float = Field(0.5, gt=0, le=1, description="label votes: least share of answers that say the same")


class VisPlayConfig(VotingBase):
    """Questioner and solver on one base; how far the solver agrees with itself says how hard a question is (VisPlay,
    arXiv 2511.15661; EvoLMM, arXiv 2511.16672)."""

    name: Literal["visplay"] = "visplay"
    questions: int = Field(4, ge=1, le=64, description="questions asked about each prompt's pictures")
    ask: tuple[Annotated[str, having()], ...] = Field((QUESTIONER,), min_length=1)
    band: tuple[float, float] = Field(
        (0.3, 0.8), description="shares of answers that say the same: lower is too hard, higher too easy"
    )
    label: Literal["none", "votes"] = "votes"
    reward: Literal["visplay", "evolmm"] = Field("visplay", description="the questioner's reward that is noted")
    centre: float = Field(0.9, ge=0, description="evolmm: entropy of the answers, in nats, that is rewarded most")
    width: float = Field(0.35, gt=0, description="evolmm: width of the reward around it, in nats")
    softness: float = Field(
        0.7, gt=0, le=1, description="evolmm: the solver's reward is its answer's share to this power"
    )

    @model_validator(mode="after")
    def _band_is_one(self) -> VisPlayConfig:
        low, high = self.band
        if not 0 <= low < high <= 1:
            raise ValueError(
                f"band {low:g} to {high:g} holds no share; give two numbers between 0 and 1, the lower first"
            )
        return self


class HarderConfig(AskingBase):
    """A harder question with the same answer, kept where fewer answers are right, but some (SynthRL, arXiv 2506.02096).

    The prompts need a reference and verifiers; both are inherited, as is the skill.
    """

    name: Literal["harder"] = "harder"
    ask: tuple[Annotated[str, having("question", may=("answer",))], ...] = Field(
        (
            "Question: {question}\n\nRewrite this question about the picture so that it is harder: let it need more steps, or "
            "looking more closely. Its answer must stay exactly the same, and must not be told. If there are choices to "
            "choose from, keep them. Write only the new question, on one line.",
        ),
        min_length=1,
        description="asks for the harder question; field {question}, may have {answer}: the reference",
    )
    solve: Question = Field("{question}", description="what is shown to get an answer to either question")
    fall: float = Field(0.125, gt=0, le=1, description="least fall of the share of right answers")
    lowest: float = Field(0.25, gt=0, le=1, description="least share of right answers to the new question")


QuestionFamily = AskConfig | AskCheckRewriteConfig | VisPlayConfig | HarderConfig
