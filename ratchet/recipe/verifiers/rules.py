"""Rules: pure checks of one answer against the prompt's reference. Those of an answer's form alone are in `forms`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ratchet.recipe.verifiers.base import VerifierBase, Where
from ratchet.recipe.verifiers.forms import FormFamily
from ratchet.recipe.verifiers.tables import Synonyms
from ratchet.records import Record


class RuleBase(VerifierBase):
    """`answer`: where it stands. What comes before `</think>` is never part of it."""

    answer: Where = Field(
        "auto",
        description="auto: what is marked (<answer>, boxed), else the whole, and two different answers are none; whole, "
        "boxed, tagged: that part alone; first, last: that one of several",
    )


class PassingBase(RuleBase):
    """A rule with a score between 0 and 1."""

    passes: float = Field(1.0, gt=0, le=1, description="least score that passes")


class PlainRuleConfig(RuleBase):
    """A rule without further options."""

    name: Literal["exact", "text", "holds", "choice", "yes_no", "count"]


class ListConfig(PassingBase):
    """Lists separated by commas."""

    name: Literal["set_f1", "objects", "ordering"]


class NumericConfig(RuleBase):
    """The one number in the answer, and its unit where the reference has one."""

    name: Literal["numeric"] = "numeric"
    tolerance: float = Field(0.0, ge=0, lt=1, description="largest relative error that passes")
    absolute: float = Field(0.0, ge=0, description="largest absolute error that passes, in the reference's unit")
    units: Literal["optional", "required", "ignore"] = Field(
        "optional",
        description="where the reference has a unit. optional: an answer without one is meant in it; required: it is wrong; "
        "ignore: numbers alone are compared",
    )


class ChartConfig(RuleBase):
    """Relaxed accuracy of charts (ChartQA, arXiv 2203.10244): numbers within the tolerance, text alike."""

    name: Literal["chart"] = "chart"
    tolerance: float = Field(0.05, ge=0, lt=1, description="largest relative error that passes")


class MathsConfig(RuleBase):
    """Symbolic equality by math-verify, in a process of its own."""

    name: Literal["maths"] = "maths"
    seconds: float = Field(5.0, gt=0, le=60, description="CPU time for one verdict; over it, it is unscored")
    memory_mib: int = Field(1024, ge=256, description="memory of the process that computes")


class ReadingConfig(PassingBase):
    """Text that was read off a picture: average normalised Levenshtein similarity (ANLS), or similarity by edits."""

    name: Literal["anls", "edits"]
    alternatives: str | None = Field(
        None, min_length=1, description="what separates several right references; null: there is one"
    )


class Resize(Record):
    """The picture as the model saw it. Pixels of its processor's picture are made pixels of the real one."""

    longest_edge: int | None = Field(None, gt=0, description="the longer side in pixels, made larger or smaller to it")
    least_pixels: int | None = Field(None, gt=0, description="fewer in the area are made more")
    most_pixels: int | None = Field(None, gt=0, description="more in the area are made fewer")
    multiple: int = Field(1, gt=0, description="both sides are rounded to a multiple of so many pixels (Qwen-VL: 28)")

    @model_validator(mode="after")
    def _ordered(self) -> Resize:
        if self.least_pixels and self.most_pixels and self.least_pixels > self.most_pixels:
            raise ValueError(f"least_pixels {self.least_pixels} is above most_pixels {self.most_pixels}")
        return self


Scale = Literal["pixels", "fraction", "thousand"]


class PlaceBase(PassingBase):
    """Answers are places in a picture. References are in `reference_scale` of the real picture."""

    scale: Scale = Field(
        "pixels", description="of answers: pixels, fractions of the sides, or 0 to 1000 over each side"
    )
    reference_scale: Scale = Field("pixels", description="the same of references, always of the real picture")
    resize: Resize | None = Field(
        None, description="how the processor resized what the answers' pixels mean; null: it did not"
    )
    corners: Literal["xyxy", "xywh"] = Field("xyxy", description="boxes as two corners, or a corner and its sides")
    picture: int = Field(0, ge=0, description="which of the prompt's pictures, from 0")

    @model_validator(mode="after")
    def _resize_is_of_pixels(self) -> PlaceBase:
        if self.resize is not None and self.scale != "pixels":
            raise ValueError(f"resize has no meaning for scale {self.scale}; remove it, or set scale to pixels")
        return self


class IoUConfig(PlaceBase):
    """Overlap of one box with the reference's, as a continuous reward (VLM-R1, arXiv 2504.07615)."""

    name: Literal["iou"] = "iou"
    passes: float = Field(0.5, gt=0, le=1, description="least intersection over union that passes")


class DetectionConfig(PlaceBase):
    """All boxes, with their labels."""

    name: Literal["detection"] = "detection"
    metric: Literal["f1", "map"] = Field(
        "f1", description="f1 at `overlap`; map: mean average precision over overlaps of .5 to .95 (COCO)"
    )
    overlap: float = Field(0.5, gt=0, le=1, description="least intersection over union of two boxes that are the same")


class PointConfig(PlaceBase):
    """A point that must lie in a box of the reference."""

    name: Literal["point"] = "point"


class CaptionConfig(PassingBase):
    """Objects named in free text (CHAIR, arXiv 1809.02156)."""

    name: Literal["caption"] = "caption"
    score: Literal["f1", "precision", "recall"] = Field(
        "f1", description="precision is the share of named objects that are there: 1 - CHAIR"
    )
    table: Literal["coco", "none"] = Field(
        "coco", description="80 kinds of objects with their synonyms, or none but yours"
    )
    synonyms: Synonyms = Field(
        default_factory=dict,
        description="further objects: name to synonyms, or the path of a YAML file that has them, read with the recipe",
    )

    @model_validator(mode="after")
    def _names_objects(self) -> CaptionConfig:
        if self.table == "none" and not self.synonyms:
            raise ValueError("caption with table none needs synonyms: the objects that it looks for")
        return self


RuleFamily = (
    PlainRuleConfig
    | ListConfig
    | NumericConfig
    | ChartConfig
    | MathsConfig
    | ReadingConfig
    | IoUConfig
    | DetectionConfig
    | PointConfig
    | CaptionConfig
    | FormFamily
)
