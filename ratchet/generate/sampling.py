"""What a sampler is, what it is told, and the one that needs no model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from pydantic import Field

from ratchet.errors import SamplingError
from ratchet.records import Completion, Group, Prompt, Record, Sampling


class SamplingParams(Record):
    """How completions are drawn: `k` a prompt; temperature 0 is greedy (k must be 1); `top_k` 0 means no cut.

    An answer ends after any of the texts in `stop`, and includes it.
    """

    strategy: str = "random"
    k: int = Field(1, ge=1)
    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    max_new_tokens: int = Field(32, gt=0)
    seed: int = Field(0, ge=0)
    stop: tuple[str, ...] = ()

    def checked(self) -> SamplingParams:
        """These parameters. Raises SamplingError for greedy decoding more than once: all answers would be the same."""
        if self.temperature == 0 and self.k > 1:
            raise SamplingError(
                f"temperature 0 is greedy, so all {self.k} completions of a prompt would be the same; "
                "set k to 1 or the temperature above 0."
            )
        return self

    def record(self) -> Sampling:
        """What each completion says of how it was drawn."""
        return Sampling(**self.model_dump(exclude={"k"}))


class Sampler(Protocol):
    """Makes completions. Groups come in the order of the prompts.

    Calling it again with the same prompts and parameters gives the same completions, bit by bit, on the same machine
    and thread count; a stage therefore calls it once a shard, and a resumed stage makes what an undisturbed one would.
    """

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]: ...


_SEEDS = 2**48


def derived_seed(*parts: str | int) -> int:
    """A number of 48 bits from any strings and numbers: the same ones always give the same."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def derived_share(*parts: str | int) -> float:
    """The same as a number in 0..1, 1 excluded: below a share of it lie that share of all draws."""
    return derived_seed(*parts) / _SEEDS


class ReferenceSampler:
    """Gives each prompt's reference as its one completion, for control arms that train on labels. No token is sampled.

    `label` is what completions name as their model.
    """

    def __init__(self, label: str = "reference") -> None:
        self.label = label

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        """One group a prompt; raises SamplingError when some have no reference."""
        check_references(prompts)
        sampling = params.model_copy(update={"strategy": "reference"}).record()
        for prompt in prompts:
            completion = Completion(
                index=0,
                text=prompt.reference or "",
                finish_reason="stop",
                sampling=sampling,
                n_tokens=0,
                model=self.label,
            )
            yield Group(prompt=prompt, completions=(completion,))


def check_references(
    prompts: Iterable[Prompt], who: str = "strategy reference", instead: str = "strategy random"
) -> None:
    """Raise SamplingError when some of the prompts have no reference."""
    without = [prompt.id for prompt in prompts if not prompt.reference]
    if without:
        raise SamplingError(
            f"{len(without)} prompts have no reference (the first: {without[0]}); {who} needs one each. Use {instead}."
        )
