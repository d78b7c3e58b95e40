"""Every shipped recipe collects on the tiny world: its strategies and negatives as they are, with fewer prompts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet import recipe as recipes
from ratchet.artifacts import GROUPS, Artifact, ModelRef
from ratchet.promptset import PromptSet
from ratchet.records import Group
from ratchet.rounds import Round
from ratchet.stage import context_of, run_step
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny

POOL, VALIDATION = 18, 27
MOST_TOKENS = 128


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[FolderStore, PromptSet, ModelRef]:
    store = FolderStore(str(tmp_path_factory.mktemp("recipes")))
    prompts = tiny.prompt_set(store, pool=POOL, validation=VALIDATION, holdout=9, report=9)
    return store, prompts, models.upload(store, SEED_DIR, "seed")


@pytest.fixture(scope="module")
def teacher() -> Iterator[str]:
    from ratchet.tinyworld import teacher as teaching

    with teaching.serving(teaching.Teacher()) as address:
        yield address


def _smaller(name: str) -> recipes.Recipe:
    """The recipe with a dozen prompts."""
    raw = recipes.load(name).model_dump(mode="json")
    raw["prompts"].update(pool=POOL, validation=VALIDATION, skills=None)
    raw["generate"].update(prompts=12 if raw["generate"]["weakness"] else None, rows_per_file=POOL)
    # Some are sized for models that have more positions than the tiny one.
    for one in (raw["generate"], *raw["generate"]["strategy"]):
        if one["max_new_tokens"] is not None:
            one["max_new_tokens"] = min(one["max_new_tokens"], MOST_TOKENS)
    if raw["generate"]["tune"]:
        raw["generate"]["tune"].update(prompts=9, k=2)
    return recipes.parse(raw)


@pytest.mark.parametrize("name", recipes.names())
def test_a_shipped_recipe_collects(name: str, place: Any, request: pytest.FixtureRequest) -> None:
    store, prompts, seed = place
    recipe = _smaller(name)
    if recipe.generate.engine.kind == "endpoint":
        request.getfixturevalue("monkeypatch").setenv("RATCHET_ENDPOINT_URL", request.getfixturevalue("teacher"))
    opened = Round(
        loop="recipes", number=1, salt=name, job="j", seed=seed, recipe=recipe, prompts=prompts.digest,
        report=prompts.digest, family="f", code_revision="test",
    )  # fmt: skip
    context = context_of("generate", store, opened, {})
    manifest = run_step(context)
    groups = list(Artifact(store, context.prefix, GROUPS).rows())
    _check(recipe, groups)
    assert manifest.counts["errors"] == 0
    assert manifest.counts["refused"] == sum(g.reason is not None for g in groups)


def _check(recipe: recipes.Recipe, groups: list[Group]) -> None:
    """Every prompt has answers or a reason; the strategies and kinds of negatives that the recipe names are in the rows."""
    assert groups
    for group in groups:
        assert group.completions or group.reason is not None
        assert [c.index for c in group.completions] == list(range(len(group.completions)))
    made = [c for g in groups for c in g.completions]
    strategies = {c.sampling.strategy for c in made if c.negative is None}
    assert strategies <= {one.name for one in recipe.generate.strategy}
    assert strategies or all(g.reason for g in groups)
    wanted = {one.kind for one in recipe.generate.negatives}
    found = {c.negative.kind for c in made if c.negative is not None}
    assert wanted <= found | ({"stic"} if "misleading" in found else set())
    assert found <= wanted | ({"misleading"} if "stic" in wanted else set())


def test_the_shipped_recipes_collect_by_every_strategy_and_every_kind_of_negative() -> None:
    from typing import get_args

    from ratchet.generate.strategies import STRATEGIES
    from ratchet.recipe.negatives import PictureKind

    loaded = [recipes.load(name).generate for name in recipes.names()]
    strategies = {one.name for generate in loaded for one in generate.strategy}
    assert strategies == set(STRATEGIES) - {"reference"}, "the reference is for control arms"
    kinds = {one.kind for generate in loaded for one in generate.negatives}
    assert kinds == {*get_args(PictureKind), "swap", "stic", "misleading", "inject", "mask_answer", "mix"}


def test_recipes_that_ship_have_a_source_and_say_what_they_do() -> None:
    for name in recipes.names():
        loaded = recipes.load(name)
        assert loaded.source
        assert len(loaded.description) > 40, name
        assert (Path(recipes.__file__).parents[2] / "pipelines" / "recipes" / f"{name}.yaml").is_file()
