"""Sizes of arms, by hand."""

from __future__ import annotations

import pytest

from ratchet import recipe as recipes
from ratchet.comparing.sizing import (
    Rates,
    Size,
    missed,
    most_prompts,
    prompts_of_seconds,
    rates,
    sized,
    steps_of_seconds,
    steps_of_visits,
)
from ratchet.recipe import Recipe
from ratchet.train import report


def made(method: str = "sft", **train: object) -> Recipe:
    raw = {"name": "a", "train": {"method": method, "epochs": 2, "batch_size": 32, **train}}
    return Recipe.model_validate({**raw, **({"filter": {"pairs": {}}} if method == "dpo" else {})})


@pytest.mark.parametrize(
    ("recipe", "visits", "rows", "steps"),
    [
        # 320 rows are ten whole batches: ten epochs.
        (made(), 3200, 320, 100),
        # 41 rows are a batch of 32 and one of 9: 39 epochs, and one row more, which is nearest to no step.
        (made("dpo"), 1600, 41, 78),
        # 350 rows are 11 batches: 4 epochs and 200 rows, nearest to 6 batches.
        (made(), 1600, 350, 50),
        (made(trl={"gradient_accumulation_steps": 2}), 3200, 320, 50),
        # A step of RL is so many completions, whatever the rows.
        (made("grpo", batch_size=256), 3200, 37, 13),
        (made(batch_size=64), 10, 900, 1),
        (made(), 320, 0, 10),
    ],
)
def test_equal_visits_are_the_steps_that_come_nearest(recipe: Recipe, visits: int, rows: int, steps: int) -> None:
    assert steps_of_visits(recipe, visits, rows) == steps


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 41, 350, 1599, 1600, 1601, 5000])
def test_visits_are_missed_by_half_a_batch_at_most(rows: int) -> None:
    assert abs(report.visits(rows, 32, 1, steps_of_visits(made(), 1600, rows)) - 1600) <= 16


def test_a_recipe_that_chooses_among_prompts_takes_half_of_the_pool() -> None:
    assert most_prompts(recipes.load("dpe"), 1000) == 500
    assert most_prompts(made(), 1000) == 1000


def test_rates_are_what_an_arm_spent() -> None:
    seconds = {"generate": 8.0, "verify": 1.0, "filter": 1.0, "train": 5.0}
    assert rates(Size(prompts=100, steps=50), seconds, rows=60) == Rates(collect=0.1, step=0.1, rows=0.6)


@pytest.mark.parametrize(
    ("recipe", "visits_a_prompt"),
    [(made(), 2 * 0.5), (made("dpo"), 2 * 0.5), (made("grpo", batch_size=32, rl={"k": 4}), 2 * 0.5 * 4)],
)
def test_equal_seconds_keep_the_recipes_epochs(recipe: Recipe, visits_a_prompt: float) -> None:
    found = Rates(collect=0.01, step=0.32, rows=0.5)
    prompts = prompts_of_seconds(recipe, found, 40.0, 1_000_000)
    assert prompts == int(40 / (0.01 + 0.32 * visits_a_prompt / 32))
    steps = steps_of_seconds(found, 40.0, prompts * 0.01)
    assert prompts * 0.01 + steps * 0.32 == pytest.approx(40, abs=0.32)
    assert steps * 32 == pytest.approx(visits_a_prompt * prompts, rel=0.02)


def test_a_pool_that_ends_first_leaves_the_rest_to_steps() -> None:
    found = Rates(collect=0.01, step=0.1, rows=0.5)
    assert prompts_of_seconds(made(), found, 40.0, 500) == 500
    assert steps_of_seconds(found, 40.0, 5.0) == 350
    assert steps_of_seconds(found, 40.0, 50.0) == 1, "collecting took all"


@pytest.mark.parametrize(("spent", "again"), [(20, False), (26.6, False), (26.7, True), (13.4, False), (13.3, True)])
def test_off_by_more_than_a_third_is_missed(spent: float, again: bool) -> None:
    assert missed(spent, 20.0) is again


def test_a_sized_recipe_differs_in_sizes_alone() -> None:
    recipe = recipes.load("stic")
    small = sized(recipe, 50, 200, 7)
    assert (small.generate.prompts, small.train.max_steps, small.prompts.pool) == (50, 7, 200)
    again = {"prompts": recipe.prompts, "train": recipe.train, "generate": recipe.generate}
    assert small.model_copy(update=again) == recipe
    whole = sized(recipe, 200, 200)
    assert (whole.generate.prompts, whole.train) == (None, recipe.train)
