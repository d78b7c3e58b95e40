"""A policy by which nothing could ever be promoted is refused with the recipe, not at the end of a night."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ratchet.cli.app import app
from ratchet.errors import RecipeError
from ratchet.recipe import Recipe, loading

SPATIAL = {"name": "spatial", "items": 400}


def recipe(**parts: Any) -> dict[str, Any]:
    return {"name": "mine", **parts}


@pytest.mark.parametrize(
    ("parts", "rule"),
    [
        ({"promote": {"primary": {"suite": "pope"}}}, r"promote.primary.suite reads suite pope, but evaluate.suites has none"),
        (
            {"promote": {"guards": {"suites": {"pope": 0.02}}}, "evaluate": {"suites": [SPATIAL]}},
            r"promote.guards.suites.pope reads suite pope, but evaluate.suites has spatial; add it there",
        ),
        (
            {"promote": {"primary": {"skill": "nosuch"}}, "prompts": {"skills": ["count"]}},
            r"promote.primary.skill is 'nosuch', but prompts.skills has count only",
        ),
        (
            {"promote": {"holdout": {"folds": 50}, "min_items": 200}},
            r"prompts.holdout 4500 in 50 folds is below promote.min_items 200, so no round could promote",
        ),
    ],
)  # fmt: skip
def test_a_policy_that_could_never_promote_is_refused(parts: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Recipe.model_validate(recipe(**parts))


def test_a_policy_that_reads_a_measured_suite_is_taken() -> None:
    parts = {"evaluate": {"suites": [SPATIAL]}, "promote": {"primary": {"suite": "spatial"}}}
    assert Recipe.model_validate(recipe(**parts)).promote.primary.suite == "spatial"


@pytest.mark.parametrize(
    ("suite", "rule"),
    [
        ({"name": "nosuch", "items": 4}, "no suite 'nosuch'"),
        ({"name": "spatial", "items": 4, "size": 13}, "spatial does not draw pictures of 13 pixels"),
        ({"name": "spatial", "source": "folder"}, "spatial draws its questions"),
        ({"name": "pope", "source": "folder", "parts": ["rare"]}, "pope has no part rare"),
        ({"name": "mmhal", "source": "folder"}, "is marked by a judge"),
        ({"name": "mmhal", "source": "folder", "judge": "nobody"}, "names judge 'nobody'"),
    ],
)
def test_recipe_check_tells_what_a_suite_does_not_have(tmp_path: Path, suite: dict[str, Any], rule: str) -> None:
    file = tmp_path / "mine.yaml"
    made = Recipe.model_validate(recipe(evaluate={"suites": [suite]}))
    file.write_text(loading.dump(made))
    result = CliRunner().invoke(app, ["recipe", "check", str(file)])
    assert isinstance(result.exception, RecipeError)
    assert rule in str(result.exception)
