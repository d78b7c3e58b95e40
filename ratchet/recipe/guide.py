"""What steers collection: a temperature that is tuned, and weights for what the seed is weak at. Both look at
`validation` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from ratchet.records import Record

if TYPE_CHECKING:
    from ratchet.recipe.generate import GenerateConfig
    from ratchet.recipe.prompts import PromptsConfig


class TuneConfig(Record):
    """Choose the temperature each round by Reward-Pass@2 on a probe (M-STAR, arXiv 2412.17451)."""

    temperatures: tuple[float, ...] = Field((0.3, 0.5, 0.7, 0.9, 1.1), min_length=2)
    prompts: int = Field(200, gt=0, description="validation prompts that are sampled")
    k: int = Field(8, ge=2, description="completions a prompt and temperature")
    reward: Literal["likelihood", "votes"] = Field(
        "likelihood", description="what ranks a prompt's completions: mean token log-probability, or how often said"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> TuneConfig:
        if min(self.temperatures) <= 0:
            raise ValueError(f"temperature 0 is greedy and gives {self.k} times the same answer; leave it out")
        if len(set(self.temperatures)) < len(self.temperatures):
            raise ValueError("a temperature is there twice; name each once")
        return self


class WeaknessConfig(Record):
    """Sample more of what the seed fails at (DPE): weight = error rate ** strength, by skill and difficulty band."""

    source: Literal["probe", "last"] = Field(
        "probe", description="last: an earlier round's report on the seed, and a probe only where none has one"
    )
    probe: int | None = Field(None, gt=0, description="validation prompts that are answered; null: all")
    bands: int = Field(3, ge=1, le=10, description="difficulty bands of equal width over 0..1")
    strength: float = Field(1.0, gt=0)
    cap: float = Field(4.0, ge=1, description="most that a cell may weigh against the lightest: nothing is starved")


def check_guides(generate: GenerateConfig, prompts: PromptsConfig) -> None:
    """Raise ValueError where tune or weakness cannot do anything, as far as a recipe alone shows it."""
    if generate.weakness is not None:
        _check_weakness(generate, prompts)
    if generate.tune is not None and all(s.name == "reference" or s.temperature is not None for s in generate.strategy):
        raise ValueError(
            "generate.tune chooses generate.temperature, but every strategy names its own or samples nothing; "
            "leave the temperature out of a strategy, or remove generate.tune"
        )
    guided = [name for name in ("tune", "weakness") if getattr(generate, name) is not None]
    if guided and prompts.source == "tinyworld" and prompts.validation == 0:
        raise ValueError(
            f"generate.{guided[0]} asks prompts of the validation split, but prompts.validation is 0; raise it"
        )


def _check_weakness(generate: GenerateConfig, prompts: PromptsConfig) -> None:
    if getattr(generate.engine, "serves", "seed") != "seed":
        raise ValueError(
            "generate.weakness asks what the seed fails at, but generate.engine serves a teacher; "
            "set engine.serves to seed, or remove generate.weakness"
        )
    if generate.prompts is None:
        raise ValueError(
            "generate.weakness chooses among the pool's prompts, but generate.prompts is null, which takes all; "
            f"set generate.prompts below the pool (prompts.pool is {prompts.pool})"
        )
    drawn = prompts.source == "tinyworld" and prompts.pictures is None
    if drawn and generate.prompts >= prompts.pool:
        raise ValueError(
            f"generate.prompts {generate.prompts} takes the whole pool (prompts.pool {prompts.pool}), so weights choose "
            "nothing; set generate.prompts below the pool"
        )
