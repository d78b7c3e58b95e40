"""Sizes of arms, by hand."""

from __future__ import annotations

import pytest

from ratchet import recipe as recipes
from ratchet.comparing.sizing import Rates, Size, equal_seconds, equal_visits, rates, sized
from ratchet.recipe import Recipe


def made(method: str = "sft", **train: object) -> Recipe:
    raw = {"name": "a", "train": {"method": method, "epochs": 2, "batch_size": 32, **train}}
    return Recipe.model_validate({**raw, **({"filter": {"pairs": {}}} if method == "dpo" else {})})


def test_equal_visits_are_steps_of_the_recipes_own_batch() -> None:
    assert equal_visits(made(), 3200, 900, 5000) == Size(prompts=900, steps=100)
    assert equal_visits(made("grpo", batch_size=256), 3200, 900, 5000) == Size(prompts=900, steps=12)
    assert equal_visits(made(batch_size=64), 10, 900, 500) == Size(prompts=500, steps=1)


def test_a_recipe_that_chooses_among_prompts_takes_half_of_the_pool() -> None:
    assert equal_visits(recipes.load("dpe"), 3200, 900, 1000).prompts == 500


def test_rates_are_what_an_arm_spent() -> None:
    seconds = {"generate": 8.0, "verify": 1.0, "filter": 1.0, "train": 5.0}
    assert rates(Size(prompts=100, steps=50), seconds, rows=60) == Rates(collect=0.1, step=0.1, rows=0.6)


@pytest.mark.parametrize(
    ("recipe", "visits_a_prompt"),
    [(made(), 2 * 0.5), (made("dpo"), 2 * 0.5), (made("grpo", batch_size=32, rl={"k": 4}), 2 * 0.5 * 4)],
)
def test_equal_seconds_keep_the_recipes_epochs(recipe: Recipe, visits_a_prompt: float) -> None:
    found = Rates(collect=0.01, step=0.32, rows=0.5)
    size = equal_seconds(recipe, found, 40.0, 1_000_000)
    a_prompt = 0.01 + 0.32 * visits_a_prompt / 32
    assert size.prompts == int(40 / a_prompt)
    assert size.prompts * 0.01 + size.steps * 0.32 == pytest.approx(40, abs=0.32)
    assert size.steps * 32 == pytest.approx(visits_a_prompt * size.prompts, rel=0.02)


def test_a_pool_that_ends_first_leaves_the_rest_to_steps() -> None:
    size = equal_seconds(made(), Rates(collect=0.01, step=0.1, rows=0.5), 40.0, 500)
    assert size == Size(prompts=500, steps=350)


def test_a_sized_recipe_differs_in_sizes_alone() -> None:
    recipe = recipes.load("stic")
    small = sized(recipe, Size(prompts=50, steps=7), 200)
    assert (small.generate.prompts, small.train.max_steps, small.prompts.pool) == (50, 7, 200)
    again = {"prompts": recipe.prompts, "train": recipe.train, "generate": recipe.generate}
    assert small.model_copy(update=again) == recipe
    assert sized(recipe, Size(prompts=200, steps=7), 200).generate.prompts is None
