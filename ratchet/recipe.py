"""The recipe: what is learned in a round, one model per stage. Unknown keys are errors; optional means null.

Load one by name (shipped in pipelines/recipes), by file, or from YAML text; the resolved one is stored with the round.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ratchet import canonical
from ratchet.errors import RecipeError
from ratchet.records import Record


class PromptsConfig(Record):
    """Where questions come from. `tinyworld` draws fresh ones each round; anything else names an imported prompt set."""

    source: str = Field("tinyworld", description="tinyworld, or the name, digest or URI of an imported prompt set")
    pool: int = Field(4050, gt=0, description="prompts to learn from, a round")
    validation: int = Field(180, ge=0, description="prompts that steer data and checkpoints, a round")
    holdout: int = Field(4500, gt=0, description="prompts for the gate alone, a round")
    report: int = Field(2700, gt=0, description="prompts that are read once, at the end, by no decision")
    skills: tuple[str, ...] | None = Field(None, description="skills to draw; null: all that the source has")


class GenerateConfig(Record):
    """How the model makes completions."""

    engine: Literal["transformers"] = "transformers"
    strategy: Literal["random", "reference"] = Field(
        "random", description="random: sample the model; reference: the label (control arms only)"
    )
    k: int = Field(8, ge=1, le=1024, description="completions a prompt")
    temperature: float = Field(1.0, ge=0, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0: no cut")
    max_new_tokens: int = Field(32, gt=0)
    batch_size: int = Field(256, gt=0, description="completions sampled at once")
    shard_size: int = Field(450, gt=0, description="prompts a shard; what a killed stage loses at most")
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"


class VerifyConfig(Record):
    """Which verifiers check the completions, and how their verdicts become one."""

    verifiers: tuple[str, ...] | None = Field(None, description="null: those that each prompt names")
    policy: Literal["all", "mean", "none"] = Field(
        "all", description="all must pass; mean score of them; none: everything passes (control arms only)"
    )
    threshold: float = Field(1.0, ge=0, le=1, description="least combined score that passes, for policy mean")
    timeout_seconds: float = Field(10.0, gt=0, description="limit for one batch of verdicts; over it they are unscored")


class PairsConfig(Record):
    """Chosen and rejected completions of one prompt."""

    max_per_prompt: int = Field(2, ge=1)
    min_margin: float = Field(0.5, gt=0, le=1, description="least score gap")
    max_length_ratio: float | None = Field(
        None, gt=1, description="longest over shortest of a pair, in tokens; null: any"
    )


class FilterConfig(Record):
    """What is kept of the verified groups. Every drop has a reason and is counted."""

    min_pass_rate: float = Field(
        0.01, ge=0, le=1, description="groups with a lower share of passed completions are dropped (too hard)"
    )
    max_pass_rate: float = Field(
        1.0, ge=0, le=1, description="groups with a higher share are dropped (nothing to learn)"
    )
    completions_per_prompt: int = Field(1, ge=1, description="verified completions kept for SFT")
    choose: Literal["first", "shortest", "likeliest"] = "first"
    dedup_exact: bool = True
    dedup_near_bits: int | None = Field(
        None,
        ge=0,
        le=16,
        description="perceptual-hash distance at which two pictures with one question are the same; null: off",
    )
    decontaminate: bool = Field(
        True, description="drop what shares a picture or a prompt with the holdout or report split"
    )
    decontaminate_near_bits: int | None = Field(
        None, ge=0, le=16, description="also by perceptual hash, within this distance; null: exact only"
    )
    per_skill: int | None = Field(None, gt=0, description="most groups of one skill; null: no cap")
    balance: float | None = Field(
        None, ge=1, description="most groups of one skill, as a multiple of the rarest; null: off"
    )
    pairs: PairsConfig | None = None


class LoraConfig(Record):
    """Low-rank adapters instead of full weights; merged into the model that is registered."""

    rank: int = Field(16, gt=0)
    alpha: int = Field(32, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"


class TrainConfig(Record):
    """How the model learns. Only what recipes vary is here; `trl` passes through to TRL's own configuration."""

    method: Literal["sft", "dpo"] = "sft"
    epochs: float = Field(3.0, gt=0)
    max_steps: int | None = Field(None, gt=0, description="overrides epochs")
    batch_size: int = Field(32, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    schedule: str = "linear"
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    lora: LoraConfig | None = None
    beta: float = Field(0.1, gt=0, description="DPO: strength of the anchor to the reference model")
    loss: tuple[str, ...] = Field(("sigmoid", "sft"), description="DPO: TRL's loss types")
    loss_weights: tuple[float, ...] | None = Field(None, description="DPO: one weight a loss; null: all 1")
    trl: dict[str, Any] = Field(default_factory=dict, description="further fields of TRL's configuration")


class PassAtKConfig(Record):
    k: int = Field(4, ge=2)
    prompts: int = Field(900, gt=0, description="holdout prompts that are sampled")
    temperature: float = Field(1.0, gt=0)


class EvaluateConfig(Record):
    """How seed and candidate are measured, on the same items."""

    batch_size: int = Field(256, gt=0)
    max_new_tokens: int = Field(32, gt=0)
    pass_at_k: PassAtKConfig | None = PassAtKConfig()
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"


class GuardsConfig(Record):
    """Non-inferiority margins, in the unit of the metric (0..1); null switches a guard off.

    A guard passes when the one-sided lower bound (level `alpha`) of candidate minus champion lies above minus the margin.
    """

    alpha: float = Field(0.05, gt=0, lt=0.5)
    skill: float | None = Field(0.08, gt=0, lt=1, description="accuracy of each skill")
    chair_i: float | None = Field(0.05, gt=0, lt=1, description="share of mentioned objects that are not there")
    pass_at_k: float | None = Field(0.05, gt=0, lt=1, description="diversity: right at least once in k samples")
    yes_ratio: float | None = Field(0.1, gt=0, lt=1, description="distance of the share of yes from its true share")


class PromoteConfig(Record):
    """When a candidate becomes champion. Null hypothesis: the true paired delta is <= 0."""

    alpha: float = Field(0.05, gt=0, lt=0.5, description="chance of EVER promoting a model that is not better")
    min_gain: float = Field(0.0, ge=0, lt=1, description="least measured gain in accuracy")
    min_items: int = Field(200, gt=0, description="fewer paired items are no evidence")
    test: Literal["exact", "bootstrap"] = Field(
        "exact", description="exact: McNemar, or sign flips by cluster; bootstrap: by cluster"
    )
    guards: GuardsConfig = GuardsConfig()


class Recipe(Record):
    """All of a round."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    description: str = ""
    source: str | None = Field(None, description="the paper that the recipe follows")
    seed: int | None = Field(None, description="makes the rounds' salts repeatable; null: random salts")
    prompts: PromptsConfig = PromptsConfig()
    generate: GenerateConfig = GenerateConfig()
    verify: VerifyConfig = VerifyConfig()
    filter: FilterConfig = FilterConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    promote: PromoteConfig = PromoteConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.filter.min_pass_rate > self.filter.max_pass_rate:
            raise ValueError(
                f"filter.min_pass_rate {self.filter.min_pass_rate} is above filter.max_pass_rate {self.filter.max_pass_rate}; swap them"
            )
        if self.train.method == "dpo" and self.filter.pairs is None:
            raise ValueError("train.method dpo learns from pairs, but filter.pairs is null; set filter.pairs")
        weights = self.train.loss_weights
        if weights is not None and len(weights) != len(self.train.loss):
            raise ValueError(
                f"train.loss_weights has {len(weights)} values for {len(self.train.loss)} losses; give one weight a loss"
            )
        if self.generate.temperature == 0 and self.generate.k > 1:
            raise ValueError(
                f"generate.temperature 0 gives {self.generate.k} times the same answer; set generate.k to 1 or raise the temperature"
            )
        if self.train.method == "dpo" and self.generate.k < 2:
            raise ValueError("train.method dpo needs at least two completions a prompt; set generate.k to 2 or more")
        return self

    @property
    def digest(self) -> str:
        """Identity of what is learned: everything but name, description and source."""
        return canonical.digest(self.model_dump(mode="json", exclude={"name", "description", "source"}))


def names() -> list[str]:
    """Shipped recipes."""
    return sorted(p.stem for p in _folder().glob("*.yaml"))


def load(given: str | Path) -> Recipe:
    """Load a recipe: a shipped name, a path to YAML, or the YAML itself. Raises RecipeError naming what is wrong."""
    text, where = _read(str(given))
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise RecipeError(f"{where} holds {type(raw).__name__}, not a mapping. Shipped recipes: {', '.join(names())}.")
    return parse(raw, where)


def parse(raw: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """Validate a recipe given as a mapping."""
    try:
        return Recipe.model_validate(dict(raw))
    except ValidationError as error:
        lines = [f"  {'.'.join(str(p) for p in e['loc']) or 'recipe'}: {_say(e)}" for e in error.errors()]
        raise RecipeError(
            f"{where} is not a valid recipe:\n" + "\n".join(lines) + "\nSee `ratchet recipe show rft`."
        ) from error


def dump(recipe: Recipe) -> str:
    """The resolved recipe as YAML, every default spelled out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, width=120)


def _say(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown key (value {error['input']!r}); remove it or mend its spelling"
    message: str = error["msg"].removeprefix("Value error, ")
    return f"{message} (given: {error['input']!r})" if error["loc"] else message


def _folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("ratchet.pipelines")
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError("the package ratchet.pipelines is not installed; install ratchet with `pip install -e .`")
    return Path(next(iter(spec.submodule_search_locations))) / "recipes"


def _read(given: str) -> tuple[str, str]:
    if "\n" in given or given.lstrip().startswith("{"):
        return given, "the inline recipe"
    path = Path(given)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise RecipeError(f"no recipe file {given}. Shipped recipes: {', '.join(names())}.")
        return path.read_text(encoding="utf-8"), given
    shipped = _folder() / f"{given}.yaml"
    if not shipped.is_file():
        raise RecipeError(f"no recipe {given!r}. Shipped: {', '.join(names())}; or give a path to a YAML file.")
    return shipped.read_text(encoding="utf-8"), f"recipe {given}"
