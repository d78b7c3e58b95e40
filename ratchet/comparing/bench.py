"""`ratchet bench methods`: recipes from one seed, at equal training visits and at equal seconds, beside control arms.

Every arm's result is a file in the out folder, written when it is done: a comparison that was killed goes on with the first arm
that has none, or one of a recipe that has been changed. An arm that fails is a result too, which says why; the next run tries it
again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from ratchet import canonical
from ratchet import recipe as recipes
from ratchet.comparing import arms, clock
from ratchet.comparing.arms import Comparison, Run
from ratchet.comparing.controls import LABELS, NO_VERIFIER, control
from ratchet.comparing.ground import Ground
from ratchet.comparing.sizing import (
    Rates,
    missed,
    most_prompts,
    prompts_of_seconds,
    rates,
    steps_of_seconds,
    steps_of_visits,
)
from ratchet.errors import RecipeError
from ratchet.evaluate.outcomes import Outcome
from ratchet.promptset import PromptSet
from ratchet.recipe import EvaluateConfig, Recipe
from ratchet.records import Record

log = logging.getLogger(__name__)
RECIPES = ("rft", "star", "rest-em", "m-star", "sima", "stic", "mdpo", "rlaif-v", "mm-upt", "grpo")
"""What is compared where nothing is said: two or three of each family, all of which a small seed can do."""
CONTROLS = (LABELS, NO_VERIFIER)
COMPARISONS: tuple[Comparison, ...] = ("visits", "seconds")


class BenchOptions(Record):
    """`visits` of training rows for each arm of the first comparison, `seconds` for each of the second; `prompts`: the pool of
    the first; `evaluate`: how all models are asked."""

    recipes: tuple[str, ...] = RECIPES
    visits: int = Field(14_400, gt=0)
    seconds: float = Field(300.0, gt=0)
    prompts: int = Field(3600, gt=0)
    evaluate: EvaluateConfig = EvaluateConfig(pass_at_k=None)


class Arm(NamedTuple):
    """A recipe (`given`: a name or file, or a control) in one of the two comparisons."""

    name: str
    given: str
    comparison: Comparison


Said = Callable[[str], None]


def compare(ground: Ground, options: BenchOptions, out: Path, said: Said = log.info) -> dict[str, Any]:
    """Run what is missing and return all: `options`, `unit`, the seed's metrics, and by comparison each arm's result."""
    (out / "arms").mkdir(parents=True, exist_ok=True)
    unit = clock.unit()
    _same_question(
        out, {"options": _asked(options), "seed": ground.seed.digest, "base": ground.base.digest, "unit": unit}
    )
    seed = _seed(ground, options, out, said)
    found: dict[str, Any] = {"visits": {}, "seconds": {}}
    for given in (*options.recipes, *CONTROLS):
        name = given if given in CONTROLS else recipes.load(given).name
        for comparison in COMPARISONS:
            arm = Arm(name, given, comparison)
            found[comparison][name] = _result(arm, ground, options, out / "arms", seed, found["visits"].get(name), said)
    result = {
        "options": options.model_dump(mode="json"),
        "unit": unit,
        "items": len(ground.items),
        "prompts": ground.base.name,
        "seed": {"model": ground.seed.model_dump(mode="json"), **arms.beside(seed, seed)},
        "comparisons": found,
    }
    (out / "result.json").write_bytes(canonical.pretty(result))
    return result


def _asked(options: BenchOptions) -> dict[str, Any]:
    """What results depend on besides their own recipe: more recipes can be added to a comparison."""
    return options.model_dump(mode="json", exclude={"recipes"})


def _same_question(out: Path, asked: Mapping[str, Any]) -> None:
    """Raise RecipeError where the folder holds results of other options."""
    file = out / "asked.json"
    if file.is_file() and json.loads(file.read_text()) != json.loads(json.dumps(asked)):
        raise RecipeError(
            f"{out} holds a comparison with other options or another seed; give another folder with --out."
        )
    file.write_text(json.dumps(asked))


def _seed(ground: Ground, options: BenchOptions, out: Path, said: Said) -> list[Outcome]:
    file = out / "seed.json"
    if not file.is_file():
        said("the seed answers the items")
        outcomes = arms.measured(ground, ground.seed, options.evaluate)
        _write(file, [one.model_dump(mode="json") for one in outcomes])
    return [Outcome.model_validate(one) for one in json.loads(file.read_text())]


def _result(
    arm: Arm,
    ground: Ground,
    options: BenchOptions,
    folder: Path,
    seed: list[Outcome],
    before: Mapping[str, Any] | None,
    said: Said,
) -> dict[str, Any]:
    """The arm's result, from its file or made now. `before`: of the same recipe at equal visits."""
    file = folder / f"{arm.comparison}-{arm.name}.json"
    try:
        recipe, prompts = _prepared(ground, arm.given)
        known = _known(file, recipe, before)
        if known is not None:
            return known
        said(f"{arm.name}, equal {arm.comparison}")
        made = _made(arm, recipe, prompts, ground, options, seed, before)
    except Exception as error:
        log.debug("%s", arm.name, exc_info=True)
        made = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    _write(file, made)
    return made


def _known(file: Path, recipe: Recipe, before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The result that is there, if it is this recipe's and none that failed."""
    if not file.is_file() or (before is not None and "error" in before):
        return None
    done: dict[str, Any] = json.loads(file.read_text())
    return done if done.get("recipe") == recipe.digest else None


def _made(
    arm: Arm,
    recipe: Recipe,
    prompts: PromptSet,
    ground: Ground,
    options: BenchOptions,
    seed: list[Outcome],
    before: Mapping[str, Any] | None,
) -> dict[str, Any]:
    if before is not None and "error" in before:
        return {"error": before["error"]}
    if before is None:
        take = min(options.prompts, most_prompts(recipe, prompts.rows["pool"]))
        ran = arms.run(
            ground, arm.name, arm.comparison, recipe, prompts, take,
            lambda had: steps_of_visits(recipe, options.visits, had.rows),
        )  # fmt: skip
    else:
        ran = _at_equal_seconds(arm, recipe, prompts, ground, options.seconds, Rates.model_validate(before["rates"]))
    outcomes = arms.measured(ground, ran.model, options.evaluate)
    return {
        "recipe": recipe.digest,
        **ran.model_dump(mode="json"),
        "spent": ran.spent,
        "rates": _rates(ran).model_dump(),
        **arms.beside(outcomes, seed),
    }


def _at_equal_seconds(arm: Arm, recipe: Recipe, prompts: PromptSet, ground: Ground, budget: float, found: Rates) -> Run:
    """The run that these rates lead to; where it misses the budget, the nearer of it and the one that its own rates lead to."""

    def ran(found: Rates) -> Run:
        take = prompts_of_seconds(recipe, found, budget, prompts.rows["pool"])
        return arms.run(
            ground, arm.name, arm.comparison, recipe, prompts, take,
            lambda had: steps_of_seconds(found, budget, had.seconds),
        )  # fmt: skip

    first = ran(found)
    if not missed(first.spent, budget):
        return first
    return min(first, ran(_rates(first)), key=lambda one: abs(one.spent - budget))


def _rates(ran: Run) -> Rates:
    return rates(ran.size, ran.seconds, ran.rows)


def _prepared(ground: Ground, given: str) -> tuple[Recipe, PromptSet]:
    """The arm's recipe and the set that it learns from."""
    if given in CONTROLS:
        return control(given, ground)
    recipe = recipes.load(given)
    arms.fits(recipe, ground)
    return recipe, arms.prompts_of(recipe, ground)


def _write(file: Path, value: Any) -> None:
    """Whole or not at all."""
    part = file.with_suffix(".part")
    part.write_bytes(canonical.pretty(value))
    part.replace(file)


def failures(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(comparison, arm, why) of arms that failed."""
    for comparison, made in result["comparisons"].items():
        for name, one in made.items():
            if "error" in one:
                yield comparison, name, one["error"]
