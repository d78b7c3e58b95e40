"""Random sampling: the model answers the prompt as it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ratchet.recipe.strategies.base import StrategyBase
from ratchet.recipe.strategies.templates import having


class RandomConfig(StrategyBase):
    """k answers at a temperature."""

    name: Literal["random"] = "random"


class ReferenceConfig(StrategyBase):
    """The prompt's reference as its one answer, for control arms that train on labels."""

    name: Literal["reference"] = "reference"


class SimaConfig(StrategyBase):
    """One greedy answer and one sample (SIMA, arXiv 2405.15973): two completions, whatever generate.k is."""

    name: Literal["sima"] = "sima"

    @model_validator(mode="after")
    def _fits_together(self) -> SimaConfig:
        if self.k is not None:
            raise ValueError("sima always makes two completions, one greedy and one sampled; leave k out")
        if self.temperature == 0:
            raise ValueError("temperature 0 makes sima's sample its greedy answer again; raise the temperature")
        return self


class BeamTreeConfig(StrategyBase):
    """A tree of sentences of which likely and different ones are kept (CSR, arXiv 2405.14622).

    It makes up to `beams` completions, whatever generate.k is. `max_new_tokens` bounds a sentence here.
    """

    name: Literal["beam_tree"] = "beam_tree"
    beams: int = Field(5, ge=1, le=64, description="partial answers kept of a prompt")
    groups: int = Field(5, ge=1, le=64, description="continuations sampled of each, up to the end of a sentence")
    diversity: float = Field(3.0, ge=0, description="nats a token that an answer loses if it equals one chosen already")
    depth: int = Field(8, ge=1, description="most sentences of an answer")
    ends: tuple[str, ...] = Field((".", "!", "?"), min_length=1, description="texts that end a sentence")

    @model_validator(mode="after")
    def _fits_together(self) -> BeamTreeConfig:
        if self.k is not None:
            raise ValueError("beam_tree makes as many completions as it has beams; set beams and leave k out")
        if self.temperature == 0:
            raise ValueError("temperature 0 makes all continuations of a beam the same; raise the temperature")
        if any(not one.strip() for one in self.ends):
            # Answers come without blanks at their ends, so such an end looks like the end of the answer.
            raise ValueError("ends holds a text of blanks alone, which cannot be seen in an answer; take it out")
        return self


class BestOfNConfig(StrategyBase):
    """Sample n, keep the best k of the different answers; k: generate.k."""

    name: Literal["best_of_n"] = "best_of_n"
    n: int = Field(32, ge=2, le=1024, description="completions sampled a prompt")
    by: Literal["likelihood", "votes"] = Field(
        "likelihood", description="what ranks answers: mean token log-probability, or how often said"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> BestOfNConfig:
        if self.k is not None and self.k > self.n:
            raise ValueError(f"best_of_n keeps k {self.k} of n {self.n}; set n to {self.k} or more")
        if self.temperature == 0:
            raise ValueError(f"temperature 0 gives {self.n} times the same answer; raise the temperature")
        return self


class SpottedConfig(StrategyBase):
    """One fact of the reference is made wrong, and the model is asked which words are: an exact-match task that needs the
    picture (ViCrit, arXiv 2506.10128). The changed words are the new prompt's reference, checked by the rule text."""

    name: Literal["spotted"] = "spotted"
    ask: Annotated[str, having("text", may=("question",))] = Field(
        "A description of the picture:\n{text}\n\nOne detail of it is wrong. Compare it with the picture and answer with the "
        "wrong words alone, exactly as they stand there.",
        description="asks for the wrong words; field {text}: the changed reference, may have {question}",
    )
    facts: tuple[Literal["object", "attribute", "relation", "count"], ...] = Field(
        ("object", "attribute", "relation", "count"), min_length=1, description="kinds of facts that are made wrong"
    )
    words: Literal["english", "tinyworld"] = Field("english", description="whose objects, attributes and relations")


RandomFamily = RandomConfig | ReferenceConfig | SimaConfig | BeamTreeConfig | BestOfNConfig | SpottedConfig
