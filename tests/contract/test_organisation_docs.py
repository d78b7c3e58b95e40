"""The tables of docs/organisation.md against the code: every verifier and every filter, with a recipe that uses it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from ratchet import recipe as recipes
from ratchet.filter.reasons import REASONS
from ratchet.recipe import FilterConfig, PairsConfig
from ratchet.recipe.curation import TextDedupConfig
from ratchet.recipe.verifiers import FAMILIES, NAMES, OWN
from ratchet.verify import VERIFIERS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "organisation.md").read_text(encoding="utf-8")
FAMILY_WORDS = "rule|form|judge|measure|vote|environment"
METHODS = re.findall(rf"^\| ({FAMILY_WORDS}) \| (.+) \| `(\w+)`(.*) \| `([\w-]+)` \|$", TEXT, re.M)
FILTERING = TEXT.partition("## Filtering")[2].partition("\n## ")[0]
FILTERS = re.findall(r"^\| ([^|`]+) \| `([\w.]+)`(?:.*) \| (.*) \| `([\w-]+)` \|$", FILTERING, re.M)
OWN_RECIPE = "rft"


def configs() -> dict[str, Any]:
    """The configuration model of each verifier, by name."""
    return {
        name: model
        for family in FAMILIES.values()
        for model in (get_args(family) or (family,))
        for name in get_args(model.model_fields["name"].annotation)
    }


def test_the_table_names_every_verifier_in_its_family() -> None:
    assert {name for _, _, name, _, _ in METHODS} == NAMES - {OWN}
    words = {
        "rule": "rule",
        "form": "form",
        "model": ("judge", "measure"),
        "votes": "vote",
        "environment": "environment",
    }
    for family, _, name, _, _ in METHODS:
        assert family in words[configs()[name].evidence], name


@pytest.mark.parametrize(("family", "method", "name", "how", "recipe"), METHODS)
def test_a_verifiers_recipe_uses_it(family: str, method: str, name: str, how: str, recipe: str) -> None:
    chosen = recipes.load(recipe).verify.verifiers
    if recipe == OWN_RECIPE:
        assert chosen is None
        assert name in VERIFIERS, "prompts cannot name it"
        return
    assert chosen is not None
    found = [one for one in chosen if one.name == name]
    assert found or (any(one.name == OWN for one in chosen) and name in VERIFIERS)
    for key, value in re.findall(r", (\w+) (\w+)", how):
        assert any(str(getattr(one, key)) == value for one in found)


def test_the_filters_table_has_every_drop_reason_and_only_settings_that_exist() -> None:
    assert FILTERS
    named = {reason for _, _, reasons, _ in FILTERS for reason in re.findall(r"`(\w+)`", reasons)}
    assert named == set(REASONS)
    known = {*FilterConfig.model_fields, *(f"pairs.{name}" for name in PairsConfig.model_fields)}
    known |= {f"dedup_text.{name}" for name in TextDedupConfig.model_fields}
    assert {setting for _, setting, _, _ in FILTERS} <= known


@pytest.mark.parametrize(("what", "setting", "reasons", "recipe"), FILTERS)
def test_a_filters_recipe_sets_it(what: str, setting: str, reasons: str, recipe: str) -> None:
    loaded: Any = recipes.load(recipe).filter
    default: Any = FilterConfig()
    for part in setting.split("."):
        loaded = getattr(loaded, part)
        default = getattr(default, part, None)
    assert loaded not in (None, (), False), f"{recipe} does not use {setting}"


def test_every_shipped_recipe_is_in_a_table_of_the_docs() -> None:
    collection = (ROOT / "docs" / "collection.md").read_text(encoding="utf-8")
    optimisation = (ROOT / "docs" / "optimisation.md").read_text(encoding="utf-8")
    methods = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    shown = (
        set(re.findall(r"^\|.*\| `([\w-]+)` \|$", collection + optimisation, re.M))
        | {r for *_, r in METHODS}
        | {r for *_, r in FILTERS}
        | set(re.findall(r"^\| [^|`]+ \| `([\w-]+)` \|", methods, re.M))
    )
    assert set(recipes.names()) <= shown


def test_the_example_is_a_valid_recipe() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    assert [one.name for one in recipes.load(block).verify.chosen] == ["prompt", "format", "majority"]
