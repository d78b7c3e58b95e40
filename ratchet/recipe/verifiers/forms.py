"""Rules of an answer's form: they need no reference, and say nothing about what is right."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from ratchet.recipe.verifiers.base import VerifierBase, Where

MOST_SCHEMA = 20_000


class FormBase(VerifierBase):
    evidence: ClassVar[Literal["form"]] = "form"


class FormatConfig(FormBase):
    """Marks in their right places: `<think>..</think><answer>..</answer>`, or one box after the thinking."""

    name: Literal["format"] = "format"
    form: Literal["tags", "boxed", "tags_boxed"] = Field(
        "tags",
        description="tags: thinking, then an answer, nothing else; boxed: one box; tags_boxed: a box in the answer",
    )
    begun: bool = Field(False, description="the prompt itself opens <think>")


class LengthConfig(FormBase):
    """How long the whole text is. Beyond `most` the score falls to 0 over `soft` (DAPO, arXiv 2503.14476)."""

    name: Literal["length"] = "length"
    most: int = Field(gt=0, description="largest length that passes")
    least: int = Field(0, ge=0, description="least length that passes")
    soft: int = Field(0, ge=0, description="so much beyond `most` scores 0, linear before")
    unit: Literal["words", "characters"] = Field("words", description="what is counted")

    @model_validator(mode="after")
    def _ordered(self) -> LengthConfig:
        if self.least > self.most:
            raise ValueError(f"least {self.least} is above most {self.most}")
        return self


class RepetitionConfig(FormBase):
    """Share of n-grams of words that were there before. The score is what is not repeated."""

    name: Literal["repetition"] = "repetition"
    n: int = Field(
        4, ge=1, le=40, description="words of an n-gram; words of over 40 characters are taken character by character"
    )
    most: float = Field(0.3, ge=0, lt=1, description="largest share of repeated n-grams that passes")


def _local(schema: dict[str, Any]) -> dict[str, Any]:
    """Refuse what fetches or is too large to be a form for answers."""
    size = len(repr(schema))
    if size > MOST_SCHEMA:
        raise ValueError(f"the schema has {size} characters, more than {MOST_SCHEMA}; describe less")
    stack: list[Any] = [schema]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            ref = one.get("$ref")
            if isinstance(ref, str) and not ref.startswith("#"):
                raise ValueError(f"$ref {ref!r} is not in the schema itself; copy what it names, nothing is fetched")
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
    _check(schema)
    return schema


def _check(schema: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator, SchemaError  # 150 ms, for this verifier alone

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"this is no JSON Schema: {error.message}") from error


class DocumentBase(FormBase):
    answer: Where = Field("auto", description="where the document stands; a code fence around it is taken off")


class SchemaConfig(DocumentBase):
    """JSON that fits a JSON Schema, checked in a process of its own."""

    name: Literal["json_schema"] = "json_schema"
    fits: Annotated[dict[str, Any], AfterValidator(_local)] = Field(description="the JSON Schema (draft 2020-12)")
    seconds: float = Field(2.0, gt=0, le=60, description="CPU time for one verdict; over it, it is unscored")


class PythonConfig(DocumentBase):
    """Python that parses. It is never run."""

    name: Literal["python"] = "python"
    seconds: float = Field(2.0, gt=0, le=60, description="CPU time for one verdict; over it, it is unscored")


class SvgConfig(DocumentBase):
    """An SVG drawing that parses. Nothing is drawn or fetched."""

    name: Literal["svg"] = "svg"


FormFamily = FormatConfig | LengthConfig | RepetitionConfig | SchemaConfig | PythonConfig | SvgConfig
