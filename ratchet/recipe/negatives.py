"""Deliberately bad completions beside the good ones: one configuration model per family of kinds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ratchet.records import Record


class PictureNegative(Record):
    """A corrupted picture: the model answers it (`use: answer`), or it stands in for the input of the same answer
    (`use: input`, as mDPO and Image-DPO want it)."""

    kind: Literal["blur"] = "blur"
    use: Literal["answer", "input"] = "answer"
    share: float = Field(1.0, gt=0, le=1, description="share of the prompts that get it")
    params: dict[str, float] = Field(default_factory=dict, description="null: the kind's defaults")


NegativeConfig = Annotated[PictureNegative, Field(discriminator=None)]


def _listed(value: Any) -> Any:
    many = list(value) if isinstance(value, list | tuple) else [value]
    return [{"kind": one} if isinstance(one, str) else one for one in many]


Negatives = Annotated[tuple[NegativeConfig, ...], BeforeValidator(_listed)]
