"""Preference losses by name, and the terms of the loss in which the picture differs."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from ratchet.errors import SamplingError
from ratchet.recipe.corruptions import settle
from ratchet.recipe.negatives import PictureKind
from ratchet.recipe.training.numbers import Finite

TRL_LOSSES = (
    *("sigmoid", "sigmoid_norm", "sft", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard"),
    *("aot", "aot_unpaired", "apo_zero", "apo_down", "discopop"),
)
"""TRL's DPO losses."""
OWN_LOSSES = ("simpo", "stic")
"""Losses that TRL's DPO has not; `ratchet.train.preference.losses` has their formulas."""
REFERENCE_FREE = frozenset({"sft", "simpo", "stic"})
"""Losses that ask for no reference model: where all are of these, none is kept in memory."""
KTO_LOSSES = ("kto", "apo_zero_unpaired")
DEFAULT_WEIGHTS: Mapping[str, float] = {"stic": 1 / 1024}
"""Weights where the recipe gives none; of all other losses 1."""


class PictureTermsConfig(Finite):
    """Terms of the DPO loss in which the picture differs, not the answer; each is added with its weight.

    conditional and anchor: mDPO (arXiv 2406.11839), with weights 1. noised: POVID's second stage (arXiv 2402.11411), with
    weight .5 beside .5 of sigmoid. content: SENA (arXiv 2412.15650), with weight 1. Image-DPO (arXiv 2501.00569) needs no
    term: its pairs of inputs (`filter.pairs`: texts false, images true) are pairs for any loss.

    The bad picture of a row is that of a pair of inputs of its prompt, and where there is none its picture corrupted by `bad`.
    """

    conditional: float = Field(
        0.0, ge=0, description="the chosen answer is likelier beside its picture than beside a bad one"
    )
    anchor: float = Field(0.0, ge=0, description="the chosen answer's reward stays above anchor_margin")
    anchor_margin: float = 0.0
    noised: float = Field(
        0.0, ge=0, description="the chosen answer is likelier than what the policy says beside the bad picture"
    )
    content: float = Field(
        0.0, ge=0, description="log-likelihood per token of the caption that the chosen answer was made from"
    )
    bad: PictureKind | None = Field(
        None, description="corruption that makes the bad picture where the pairs bring none; null: crop"
    )
    bad_params: dict[str, float] = Field(default_factory=dict, description="its strength; default: the kind's")

    @model_validator(mode="after")
    def _says_something(self) -> PictureTermsConfig:
        if not (self.conditional or self.anchor or self.noised or self.content):
            raise ValueError("train.pictures has no term with a weight above 0; give one, or remove it")
        if self.anchor_margin and not self.anchor:
            raise ValueError(
                f"train.pictures.anchor_margin {self.anchor_margin} does nothing without anchor; set anchor"
            )
        idle = [name for name, value in (("bad", self.bad), ("bad_params", self.bad_params)) if value]
        if idle and not self.needs_bad:
            raise ValueError(
                f"train.pictures.{idle[0]} does nothing without conditional or noised; set one, or remove it"
            )
        try:
            settle(self.corruption, self.bad_params)
        except SamplingError as error:
            raise ValueError(f"train.pictures.bad_params: {error}") from None
        return self

    @property
    def corruption(self) -> PictureKind:
        """`bad`, crop where the recipe names none."""
        return self.bad or "crop"

    @property
    def needs_bad(self) -> bool:
        """Whether rows need a bad picture."""
        return bool(self.conditional or self.noised)

    @property
    def reads_more(self) -> bool:
        """Whether rows that have the part for it are read once more, others not."""
        return bool(self.conditional or self.noised or self.content)

    @property
    def needs_reference(self) -> bool:
        """Whether a term compares with the reference model."""
        return bool(self.conditional or self.anchor or self.noised)
