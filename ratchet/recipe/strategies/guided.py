r"""Guided generation: what the model is shown differs from the prompt that is stored.

Texts shown are templates. `{question}` is the prompt's last user turn, whose place the filled template takes; further
fields are named at each key. Defaults are for instructed models; a recipe may give its own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ratchet.recipe.strategies.base import StrategyBase
from ratchet.recipe.strategies.templates import checker, fields, having

Question = Annotated[str, having("question")]
MaybeQuestion = Annotated[str, having(may=("question",))]


class PromptedConfig(StrategyBase):
    """A long instruction makes the answers; the short prompt is what is stored (STIC, arXiv 2405.19716)."""

    name: Literal["prompted"] = "prompted"
    instruction: Question = Field(
        "{question}\n\nTake your time. First go over the whole picture: the setting, then each object with its colour, "
        "size, number and place, then any text. Say only what can be seen. Then give your answer.",
        description="what is shown in place of the question; field {question}",
    )


class CaptionedConfig(StrategyBase):
    """The picture is captioned first; the question is answered with picture and caption in view (SENA)."""

    name: Literal["captioned"] = "captioned"
    caption: MaybeQuestion = Field(
        "Describe this picture in detail: what it shows, where each thing is, and any text in it.",
        description="asks for the caption; may have {question}",
    )
    instruction: Annotated[str, having("question", "caption")] = Field(
        "A description of the picture:\n{caption}\n\nUse the description and the picture to answer.\n{question}",
        description="asks for the answer; fields {question} and {caption}",
    )
    captions: Literal[1, "k"] = Field(1, description="1: one caption a prompt; k: one for each completion")
    caption_tokens: int | None = Field(None, gt=0, description="max_new_tokens of the caption; null: as the answer's")
    answers: Literal["model", "reference"] = Field(
        "model",
        description="reference: one completion, the prompt's reference; with train.prompt shown the description is infused into "
        "labelled rows (STIC's second stage)",
    )

    @model_validator(mode="after")
    def _one_reference(self) -> CaptionedConfig:
        if self.answers == "reference" and self.captions == "k":
            raise ValueError("answers reference makes one completion, but captions is k; leave captions at 1")
        return self


class ChainConfig(StrategyBase):
    """A chain of thought in a form that can be read back; the whole chain is the completion's text.

    Forced chains hurt small models: R1-V saw it at 2B. Compare with `random` before you keep it.
    """

    name: Literal["chain"] = "chain"
    form: Literal["tags", "boxed"] = Field(
        "tags", description=r"tags: <think>..</think><answer>..</answer>; boxed: the answer in \boxed{}"
    )
    place: Literal["user", "system"] = Field(
        "user", description="where the instruction stands: the question or a system turn"
    )
    instruction: str | None = Field(
        None, description="place user: with {question}; place system: without fields; null: the form's default"
    )

    @model_validator(mode="after")
    def _fits_its_place(self) -> ChainConfig:
        if self.instruction is not None:
            check = checker("question") if self.place == "user" else checker()
            try:
                check(self.instruction)
            except ValueError as error:
                raise ValueError(f"instruction (place: {self.place}): {error}") from error
        return self


class DescribedConfig(StrategyBase):
    """The model describes the picture for the question, answers with picture and description, and answers from the
    description alone, without the picture (Vision-SR1, arXiv 2508.19652).

    Completions 0..k-1 see the picture, completion k+i answers from description i alone.
    """

    name: Literal["described"] = "described"
    describe: MaybeQuestion = Field(
        "Describe in this picture everything that is needed to answer the question below, so fully that somebody who "
        "cannot see the picture could answer it. Do not answer it yourself.\n{question}",
        description="asks for the description; may have {question}",
    )
    instruction: Annotated[str, having("question", may=("caption",))] = Field(
        "{question}\n\nFirst describe what you see in <description> </description>, then give the answer in "
        "<answer> </answer>.",
        description="asks for the answer with the picture; field {question}, may have {caption}: the description",
    )
    begun: Annotated[str, having(may=("caption",))] | None = Field(
        "<description>\n{caption}\n</description>\n",
        description="what that answer begins with; may have {caption}; null: nothing, then instruction has {caption} "
        "(engines that cannot go on from a beginning, such as plain OpenAI endpoints, need null)",
    )
    alone: Annotated[str, having("question", "caption")] = Field(
        "A description of a picture:\n{caption}\n\nAnswer from the description alone. Give the answer in <answer> "
        "</answer>.\n{question}",
        description="asks for the answer without the picture; fields {question} and {caption}",
    )
    caption_tokens: int | None = Field(
        None, gt=0, description="max_new_tokens of the description; null: as the answer's"
    )

    @model_validator(mode="after")
    def _description_is_shown(self) -> DescribedConfig:
        if "caption" not in fields(self.instruction + (self.begun or "")):
            raise ValueError(
                "neither instruction nor begun has {caption}: the description would not be used; add it to one"
            )
        return self


class HintedConfig(StrategyBase):
    """k answers as usual; where none is right, k more with the reference as a hint (rationalisation: STaR,
    arXiv 2203.14465; Video-STaR). The stored prompt has no hint."""

    name: Literal["hinted"] = "hinted"
    hint: Annotated[str, having("question", "hint")] = Field(
        "{question}\n\nThe right answer is: {hint}\nExplain step by step how the picture shows it, as if you had found "
        "it yourself and had not been told, and end with the answer.",
        description="asks with the hint; fields {question} and {hint}: the reference",
    )
    hinted: int | None = Field(None, ge=1, le=1024, description="completions with the hint; null: as without, k")
    leaks: tuple[str, ...] = Field(
        ("the hint", "hinted", "the right answer is", "been told", "was told", "given answer"),
        description="phrases that betray a hint, in any case of letters; such completions get the note leak 1",
    )
    always: bool = Field(False, description="also hint at prompts that were answered right")


class RevisedConfig(StrategyBase):
    """The model mends its own answers, `rounds` times; each revision names its parent.

    critique: answer, critique by the same model, revised answer (VideoSAVi). truncate: the answer is cut at a random step
    and the model goes on from there (Sherlock, arXiv 2505.22651). Completions 0..k-1 are the originals, r*k+i is
    revision r of i.
    """

    name: Literal["revised"] = "revised"
    mode: Literal["critique", "truncate"] = "critique"
    rounds: int = Field(1, ge=1, le=3)
    first: Question | None = Field(
        None, description="asks for the original; field {question}; null: the prompt as it is"
    )
    critique: Annotated[str, having("question", "answer")] = Field(
        "Question: {question}\nAn answer to check: {answer}\n\nCompare this answer with the picture. Name each mistake and "
        "each thing that is missing; say so if there is none. Do not give a new answer yet.",
        description="mode critique: asks for the critique; fields {question} and {answer}",
    )
    revise: Annotated[str, having("question", "answer", "critique")] = Field(
        "Question: {question}\nAn earlier answer: {answer}\nWhat was said about it: {critique}\n\nGive the corrected answer. "
        "Write it as a full answer to the question, without a word about the earlier one.",
        description="mode critique: asks for the revision; fields {question}, {answer} and {critique}",
    )
    correct: Annotated[str, having("question", may=("answer",))] = Field(
        "{question}\n\nThe reasoning begun below may hold a mistake. Go on from where it stops, correct what is wrong, and "
        "end with the answer.",
        description="mode truncate: shown while the model goes on; field {question}, may have {answer}: the whole original",
    )
    cut: Literal["steps", "words"] = Field(
        "steps", description="mode truncate: cut between steps (sentences, lines) or between words"
    )
    critique_tokens: int | None = Field(None, gt=0, description="max_new_tokens of a critique; null: as the answer's")


class RecaptionedConfig(StrategyBase):
    """A caption is improved round by round, each shown to the next (VILA2, arXiv 2407.17453).

    The last round stands first: completions 0..k-1 are final, the round before it follows, and so on; a caption's parent
    is the one that it was made from.
    """

    name: Literal["recaptioned"] = "recaptioned"
    rounds: int = Field(3, ge=1, le=8, description="captions in a row")
    caption: MaybeQuestion = Field(
        "Describe this picture in detail.", description="asks for the first caption; may have {question}"
    )
    instruction: Annotated[str, having("caption", may=("question",))] = Field(
        "Here is a description of this picture:\n{caption}\n\nWrite a better one: correct what is wrong, and add the "
        "objects, attributes, places and text that it leaves out. Give only the description.",
        description="asks for the next caption; field {caption}, may have {question}",
    )
    specialists: tuple[Annotated[str, having(may=("question", "caption"))], ...] = Field(
        (),
        description="further instructions (places, text, numbers), may have {question} and {caption}; their answers are "
        "added to the caption, a line each, before the last round",
    )

    @model_validator(mode="after")
    def _specialists_are_read(self) -> RecaptionedConfig:
        if self.specialists and self.rounds < 2:
            raise ValueError(
                "specialists add to a caption before the last round, and there is only one; set rounds to 2 or more"
            )
        return self


GuidedFamily = (
    PromptedConfig | CaptionedConfig | ChainConfig | DescribedConfig | HintedConfig | RevisedConfig | RecaptionedConfig
)
