"""The tables of docs/optimisation.md against the code: every technique has its keys, its module, and a recipe that uses it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest

from ratchet import recipe as recipes
from ratchet.recipe import TrainConfig
from ratchet.recipe.train import Method

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "optimisation.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| (SFT|preference|RL|weights|order) \| (.+) \| `([\w.]+) ?([^`]*)` \| `([\w.]+)` \| `([\w-]+)` \|$", TEXT, re.M
)


def value(config: TrainConfig, path: str) -> Any:
    found: Any = config
    for key in path.split("."):
        found = getattr(found, key)
    return list(found) if isinstance(found, tuple) else found


def said(found: Any) -> str:
    if isinstance(found, list):
        return f"[{', '.join(str(one) for one in found)}]"
    return "null" if found is None else str(found)


def test_the_table_has_every_family_and_every_method() -> None:
    assert {family for family, *_ in ROWS} == {"SFT", "preference", "RL", "weights", "order"}
    assert {recipes.load(name).train.method for *_, name in ROWS} == set(get_args(Method))
    assert len(ROWS) == TEXT.partition("## Methods")[2].partition("\n## ")[0].count("\n| ") - 1


@pytest.mark.parametrize(("family", "technique", "key", "wanted", "module", "name"), ROWS)
def test_a_techniques_recipe_says_what_the_row_says(
    family: str, technique: str, key: str, wanted: str, module: str, name: str
) -> None:
    found = value(recipes.load(name).train, key)
    assert said(found) == wanted if wanted else found
    assert find_spec(module) is not None


def test_the_example_is_a_valid_recipe() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT.partition("## ")[0], re.S)
    assert recipes.load(block).train.method == "dpo"
