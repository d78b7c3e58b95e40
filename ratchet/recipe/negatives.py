"""Deliberately bad completions beside the good ones: one configuration model per family of kinds.

They are rejected answers for preference learning, or bad inputs for the same answer (`use: input`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from ratchet.errors import SamplingError
from ratchet.recipe.corruptions import settle
from ratchet.recipe.naming import listed
from ratchet.records import Record

PictureKind = Literal[
    "diffusion",
    "noise",
    "blur",
    "downscale",
    "crop",
    "erase",
    "patches",
    "shuffle",
    "colour",
    "grey",
    "rotate",
    "flip",
]
OTHER_KINDS = ("swap", "stic", "misleading", "inject", "mask_answer", "mix")
Fact = Literal["object", "insert", "attribute", "relation", "count"]
Words = Literal["english", "tinyworld"]


class NegativeBase(Record):
    """What all kinds have. A prompt's draw decides whether it gets the kind, whatever the shards and the order."""

    share: float = Field(1.0, gt=0, le=1, description="share of the prompts that get it")
    count: int = Field(1, ge=1, le=64, description="such completions a prompt")
    temperature: float | None = Field(None, ge=0, description="of the bad answer; null: the stage's")


class PictureNegative(NegativeBase):
    """A corrupted picture: the model answers it (`use: answer`), or it stands in for the input of a right answer
    (`use: input`, as mDPO and Image-DPO learn from it)."""

    kind: PictureKind
    use: Literal["answer", "input"] = "answer"
    pictures: Literal["all", "one"] = Field("all", description="of several pictures: all of them, or one that is drawn")
    params: dict[str, float] = Field(
        default_factory=dict, description="strength of the corruption; default: the kind's"
    )

    @model_validator(mode="after")
    def _known_params(self) -> PictureNegative:
        _settle(self.kind, self.params)
        return self


class SwapNegative(NegativeBase):
    """The picture of another prompt in place of this one's. It is drawn from the prompts of the same file
    (generate.rows_per_file), so it depends on the shards."""

    kind: Literal["swap"] = "swap"
    use: Literal["answer", "input"] = "answer"


class SticNegative(NegativeBase):
    """STIC (arXiv 2405.19716): a prompt that invites imaginary objects, or else a corrupted picture."""

    kind: Literal["stic"] = "stic"
    misleading: float = Field(0.5, ge=0, le=1, description="probability of the misleading prompt")
    params: dict[str, float] = Field(default_factory=dict, description="strength of the corruption")
    templates: tuple[str, ...] | None = Field(None, description="misleading questions; null: those of `words`")
    words: Words = Field("english", description="whose templates, where none are given")

    @model_validator(mode="after")
    def _known_params(self) -> SticNegative:
        _settle("stic", self.params)
        return self


class MisleadingNegative(NegativeBase):
    """A prompt that invites imaginary objects; the picture is as it is."""

    kind: Literal["misleading"] = "misleading"
    templates: tuple[str, ...] | None = Field(None, description="misleading questions; null: those of `words`")
    words: Words = Field("english", description="whose templates, where none are given")


class InjectedNegative(NegativeBase):
    """A right answer with one wrong fact in it (POVID, HA-DPO, ViCrit). No token is sampled."""

    kind: Literal["inject"] = "inject"
    facts: tuple[Fact, ...] = Field(("object", "attribute", "relation", "count"), min_length=1)
    words: Words = Field("english", description="whose objects, attributes and relations are exchanged")


class MaskedNegative(NegativeBase):
    """A right answer loses its end, and the model refills it from a picture with masked squares (BDHS)."""

    kind: Literal["mask_answer"] = "mask_answer"
    words: float = Field(0.5, gt=0, le=1, description="share of the answer's words that is refilled")
    params: dict[str, float] = Field(default_factory=dict, description="of the masked squares: patch, share")

    @field_validator("params")
    @classmethod
    def _known_params(cls, params: dict[str, float]) -> dict[str, float]:
        return _settle("patches", params)


class MixedNegative(NegativeBase):
    """Decoded with log p = (1 - w) log p(y | picture) + w log p(y | no picture), w = 1 - (1 - weight) exp(-forget t):
    the judge-free mix, and with `forget` the fading of the picture that M3ID describes. Needs engine transformers."""

    kind: Literal["mix"] = "mix"
    weight: float = Field(0.7, ge=-2, le=1, description="of the text-only model; below 0 it is contrasted away (VCD)")
    forget: float = Field(0.0, ge=0, le=10, description="how fast the picture fades, per token; 0: it does not")


def _settle(kind: str, params: dict[str, float]) -> dict[str, float]:
    """Check a corruption's parameters by its own table."""
    try:
        settle(kind, params)
    except SamplingError as error:
        raise ValueError(str(error)) from None
    return params


def _family(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if kind in OTHER_KINDS else "picture"


NegativeConfig = Annotated[
    Annotated[PictureNegative, Tag("picture")]
    | Annotated[SwapNegative, Tag("swap")]
    | Annotated[SticNegative, Tag("stic")]
    | Annotated[MisleadingNegative, Tag("misleading")]
    | Annotated[InjectedNegative, Tag("inject")]
    | Annotated[MaskedNegative, Tag("mask_answer")]
    | Annotated[MixedNegative, Tag("mix")],
    Discriminator(_family),
]


KINDS: frozenset[str] = frozenset({*get_args(PictureKind), *OTHER_KINDS})


def _listed(value: Any) -> Any:
    return listed(value, "kind", KINDS, "kind of negative")


Negatives = Annotated[tuple[NegativeConfig, ...], BeforeValidator(_listed)]
