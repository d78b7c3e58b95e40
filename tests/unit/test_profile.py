"""Profiles: where a round runs, and what it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import recipe
from ratchet.errors import RecipeError
from ratchet.profile import IMAGE_OF_TASK, Profile, Resources, threads
from ratchet.recipe import Recipe
from ratchet.stage import STAGES


def test_every_stage_has_an_image_in_the_local_profile() -> None:
    assert set(IMAGE_OF_TASK) == {*STAGES, "generate-shard", "merge"}
    assert set(IMAGE_OF_TASK.values()) == set(Profile().images)


def test_a_profile_comes_from_a_file_from_text_or_is_the_local_one(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("name: cluster\nretries: 3\nresources: {train: {gpus: 1}}\n")
    loaded = Profile.load(str(file))
    assert (loaded.name, loaded.retries, loaded.resources_of("train").gpus) == ("cluster", 3, 1)
    assert loaded.resources_of("verify") == Resources()
    assert Profile.load(loaded.model_dump_json()) == loaded
    assert Profile.load(None) == Profile.load("") == Profile()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("gone.yaml", "no profile file gone.yaml; give a path"),
        ("{retries: -1}", "profile given inline is not valid: .*retries"),
        ("{image: x}", "profile given inline is not valid: .*image"),
        ("{name: [", "profile given inline is not valid"),
    ],
)
def test_a_bad_profile_is_named(given: str, said: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){said}"):
        Profile.load(given)


def test_a_recipe_that_needs_more_than_the_profile_has_is_refused() -> None:
    Profile().check(recipe.load("dpo"))
    with pytest.raises(
        RecipeError, match=r"trains by sft; profile local allows dpo\. Change train\.method, or compile"
    ):
        Profile(methods=("dpo",)).check(Recipe(name="a"))
    with pytest.raises(RecipeError, match=r"engine transformers; profile local has vllm\. Change generate\.engine"):
        Profile(engines=("vllm",)).check(Recipe(name="a"))


def test_threads_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads() == 1
