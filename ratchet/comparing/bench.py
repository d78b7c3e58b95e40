"""`ratchet bench methods`: recipes from one seed, at equal training visits and at equal seconds, beside control arms.

Every arm's result is a file in the out folder, written when it is done: a comparison that was killed goes on with the first arm
that has none. An arm that fails is a result too, which says why.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from ratchet import canonical
from ratchet import recipe as recipes
from ratchet.comparing import arms, clock
from ratchet.comparing.arms import Comparison, Run
from ratchet.comparing.controls import LABELS, NO_VERIFIER, control
from ratchet.comparing.ground import Ground
from ratchet.comparing.sizing import Rates, equal_seconds, equal_visits, rates
from ratchet.errors import RecipeError
from ratchet.evaluate.outcomes import Outcome
from ratchet.promptset import PromptSet
from ratchet.recipe import EvaluateConfig, Recipe
from ratchet.records import Record

log = logging.getLogger(__name__)
RECIPES = ("rft", "star", "rest-em", "m-star", "sima", "stic", "mdpo", "mm-upt", "grpo")
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
    names = [*options.recipes, *(name for name in CONTROLS if name not in options.recipes)]
    for name in names:
        for comparison in COMPARISONS:
            found[comparison][name] = _arm(ground, options, out, name, comparison, seed, found, said)
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


def _arm(
    ground: Ground,
    options: BenchOptions,
    out: Path,
    name: str,
    comparison: Comparison,
    seed: list[Outcome],
    found: Mapping[str, Any],
    said: Said,
) -> dict[str, Any]:
    file = out / "arms" / f"{comparison}-{name}.json"
    if file.is_file():
        done: dict[str, Any] = json.loads(file.read_text())
        return done
    said(f"{name}, equal {comparison}")
    try:
        made = _made(ground, options, name, comparison, found, seed)
    except Exception as error:
        log.debug("%s", name, exc_info=True)
        made = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    _write(file, made)
    return made


def _made(
    ground: Ground,
    options: BenchOptions,
    name: str,
    comparison: Comparison,
    found: Mapping[str, Any],
    seed: list[Outcome],
) -> dict[str, Any]:
    recipe, prompts = _prepared(ground, name)
    pool = prompts.rows["pool"]
    if comparison == "visits":
        size = equal_visits(recipe, options.visits, options.prompts, pool)
    else:
        before = found["visits"][name]
        if "error" in before:
            return {"error": before["error"]}
        size = equal_seconds(recipe, Rates.model_validate(before["rates"]), options.seconds, pool)
    ran = arms.run(ground, name, comparison, recipe, size, prompts)
    outcomes = arms.measured(ground, ran.model, options.evaluate)
    return {
        **ran.model_dump(mode="json"),
        "spent": ran.spent,
        "rates": _rates(ran).model_dump(),
        **arms.beside(outcomes, seed),
    }


def _rates(ran: Run) -> Rates:
    return rates(ran.size, ran.seconds, ran.rows)


def _prepared(ground: Ground, name: str) -> tuple[Recipe, PromptSet]:
    """The arm's recipe and the set that it learns from."""
    if name in CONTROLS:
        return control(name, ground)
    recipe = recipes.load(name)
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
