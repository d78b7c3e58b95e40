"""The recipe as the pipeline gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import recipe as recipes
from ratchet.errors import PromptSetError, RecipeError
from ratchet.operations.policy import LoopPolicy
from ratchet.platform.recipes import check_prompts, policy_of, recipe_argument
from ratchet.profile import Profile
from ratchet.store import open_store


def test_a_name_travels_as_a_name_and_a_file_as_its_text(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("{name: own}\n")
    assert recipe_argument("rft") == "rft"
    assert recipe_argument(str(file)) == "{name: own}\n"
    assert recipe_argument("{name: own, seed: 3}") == "{name: own, seed: 3}"


def test_a_prompt_set_takes_the_place_of_the_recipes_own(tmp_path: Path) -> None:
    text = recipe_argument("rft", "charts")
    assert recipes.load(text).prompts.source == "charts"
    with pytest.raises(PromptSetError, match="charts"):
        check_prompts(open_store(str(tmp_path)), text)
    check_prompts(open_store(str(tmp_path)), "rft")


def test_the_policy_keeps_what_is_not_given_anew() -> None:
    known = LoopPolicy(owner="schedule", recipe="rft", budget=3.0, after_refused="stop")
    assert policy_of(known, Profile(), None) == known
    changed = policy_of(known, Profile(), "{name: own}", seed="7")
    assert (changed.recipe, changed.seed, changed.budget, changed.after_refused) == ("{name: own}", "7", 3.0, "stop")
    assert policy_of(None, Profile(), None).recipe == "rft"


def test_a_recipe_that_the_profile_cannot_run_is_refused() -> None:
    with pytest.raises(RecipeError, match="endpoint"):
        policy_of(None, Profile(engines=("endpoint",)), "rft")
