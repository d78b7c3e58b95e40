"""One arm: a recipe's round from generate to train on the comparison's ground, timed stage by stage, then measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from ratchet import canonical
from ratchet.artifacts import GROUPS, Artifact, Manifest, ModelRef
from ratchet.comparing import clock
from ratchet.comparing.ground import TINYWORLD, Ground
from ratchet.comparing.sizing import COLLECTING, Collected, Size, collecting, completions, sized
from ratchet.errors import NotFound, RecipeError
from ratchet.evaluate import metrics
from ratchet.evaluate.measuring import measure
from ratchet.evaluate.outcomes import Outcome
from ratchet.promptset import PromptSet
from ratchet.recipe import EvaluateConfig, Recipe
from ratchet.records import Record
from ratchet.rounds import Round
from ratchet.stage import StageContext, context_of, run_step

Comparison = Literal["visits", "seconds"]
Steps = Callable[[Collected], int]
"""Optimiser steps, from what collecting cost and left."""


class Run(Record):
    """What an arm did. `seconds` by stage, in the clock's unit; `rows` were learned from in `visits`: those of RL are completions."""

    size: Size
    seconds: dict[str, float]
    model: ModelRef
    method: str
    rows: int
    visits: int

    @property
    def spent(self) -> float:
        return sum(self.seconds.values())


def fits(recipe: Recipe, ground: Ground) -> None:
    """Raise RecipeError for a recipe that asks for prompts of another shape than the ground's."""
    source = recipe.prompts.source
    if ground.drawn and source != TINYWORLD:
        raise RecipeError(f"needs prompts like those of {source!r}; give them with --prompts")
    if recipe.sources():
        raise RecipeError(
            f"needs {', '.join(recipe.sources())} beside the seed, which a comparison does not fetch; leave this recipe out"
        )


def prompts_of(recipe: Recipe, ground: Ground) -> PromptSet:
    """The ground's pool, of the recipe's skills where the tiny world drew it."""
    return ground.prompts(recipe.prompts.skills if ground.drawn else None)


def run(
    ground: Ground, name: str, comparison: Comparison, recipe: Recipe, prompts: PromptSet, take: int, steps: Steps
) -> Run:
    """Run the four stages on `take` prompts. What an earlier try finished and timed is kept; what it left half is made again."""
    pool = prompts.rows["pool"]
    # A loop's first round: a recipe whose rows grow from round to round starts where a loop would.
    opened = Round(
        loop=ground.loop, number=1, salt=ground.salt, job="bench", seed=ground.seed, base=ground.seed,
        recipe=sized(recipe, take, pool), prompts=prompts.digest, report=prompts.digest,
        family=prompts.family, control=f"bench-{comparison}-{name}", code_revision="bench",
    )  # fmt: skip
    done: dict[str, Manifest] = {}
    seconds: dict[str, float] = {}
    for stage in COLLECTING:
        done[stage], seconds[stage] = _timed(context_of(stage, ground.store, opened, done))
    rows = _rows(ground, opened, done["filter"])
    size = Size(prompts=take, steps=steps(Collected(seconds=collecting(seconds), rows=rows)))
    opened = opened.model_copy(update={"recipe": sized(recipe, take, pool, size.steps)})
    trained, seconds["train"] = _timed(context_of("train", ground.store, opened, done))
    return Run(
        size=size,
        seconds=seconds,
        model=ModelRef.model_validate(trained.results["model"]),
        method=recipe.train.method,
        rows=trained.counts["rows"],
        visits=trained.counts["visits"] * completions(recipe),
    )


def _rows(ground: Ground, opened: Round, filtered: Manifest) -> int:
    """Rows that training will have; one that has none says so itself."""
    from ratchet.train.rows import ROWS

    groups = Artifact.open(ground.store, filtered.uri, GROUPS).rows()
    return len(list(ROWS[opened.recipe.train.method](groups, opened.recipe)))


def _timed(context: StageContext) -> tuple[Manifest, float]:
    """A stage and what it took. Without a note of what it took it is not finished: part of the time would be missing."""
    store, note = context.store, f"{context.prefix}/bench-seconds.json"
    try:
        spent = float(canonical.loads(store.get(note))["seconds"])
    except NotFound:
        for stat in list(store.list(f"{context.prefix}/")):
            store.delete(store.key(stat.uri))
        start = clock.now()
        made = run_step(context)
        spent = clock.now() - start
        store.put(note, canonical.dumps({"seconds": spent}))
        return made, spent
    return run_step(context), spent


def measured(ground: Ground, model: ModelRef, config: EvaluateConfig) -> list[Outcome]:
    """Greedy answers of a model to the items, scored."""
    return measure(
        ground.store, model, ground.items, ground.bank, config.model_copy(update={"pass_at_k": None}), salt=ground.salt
    )


def beside(outcomes: Sequence[Outcome], seed: Sequence[Outcome]) -> dict[str, Any]:
    """What is shown of a model: accuracy, CHAIR_i, F1 of yes/no questions, and paired differences to the seed."""
    of_model = metrics.of_model(outcomes)
    return {
        "accuracy": of_model["accuracy"],
        "skills": {skill: one["accuracy"] for skill, one in of_model["skills"].items()},
        "chair_i": (of_model["chair"] or {}).get("chair_i"),
        "pope_f1": (of_model["yes_no"] or {}).get("f1"),
        "yes_ratio": (of_model["yes_no"] or {}).get("yes_ratio"),
        **metrics.deltas(outcomes, seed),
    }
