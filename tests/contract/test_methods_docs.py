"""docs/methods.md against the recipes: every published method has a recipe of its own, which names its paper and its step."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from ratchet import canonical
from ratchet import recipe as recipes
from ratchet.recipe import Recipe

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|`]+) \| `([\w-]+)` \| (.+?) \| (.+?) \| (.+?) \|$", TEXT.partition("## Recipes")[2], re.M)
METHODS = (
    *(
        "STaR",
        "RFT",
        "ReST-EM",
        "STIC",
        "SIMA",
        "CSR",
        "POVID",
        "HA-DPO",
        "RLAIF-V",
        "SENA",
        "BDHS",
        "Image-DPO",
        "mDPO",
    ),
    *("judge-free", "MM-UPT", "M-STAR", "R1-V", "VLM-R1", "Visual-RFT", "Vision-R1", "LMM-R1", "OpenVLThinker"),
    *("Sherlock", "ViCrit", "SynthRL", "Vision-SR1", "VILA2", "Video-STaR", "VisPlay", "EvoLMM", "Vision-Zero", "DPE"),
)
STAGES = ("generate", "verify", "filter", "train")
SIZES = {
    "k",
    "count",
    "temperature",
    "max_new_tokens",
    "batch_size",
    "rows_per_file",
    "epochs",
    "max_steps",
    "learning_rate",
}
"""What a recipe may have larger or smaller without being another method."""


def test_every_method_of_the_survey_has_a_row() -> None:
    assert {method for method, *_ in ROWS} == set(METHODS)
    assert len({name for _, name, *_ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("method", "name", "paper", "step", "simplified"), ROWS)
def test_a_row_says_what_the_recipe_says_of_itself(
    method: str, name: str, paper: str, step: str, simplified: str
) -> None:
    loaded = recipes.load(name)
    assert (loaded.source, loaded.step, loaded.simplified) == (paper, step, simplified)
    assert re.search(r"20\d\d", paper), f"{name} names no year"
    assert re.search(r"arXiv \d{4}\.\d{5}|github\.com", paper), f"{name} leads to no paper"


def shape(loaded: Recipe) -> dict[str, Any]:
    """The stages without sizes: what is left says how, not how much."""
    return {stage: _without_sizes(getattr(loaded, stage).model_dump(mode="json")) for stage in STAGES}


def _without_sizes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_sizes(one) for key, one in value.items() if key not in SIZES}
    return [_without_sizes(one) for one in value] if isinstance(value, list) else value


def test_no_two_methods_are_the_same_stages() -> None:
    shapes = {name: canonical.digest(shape(recipes.load(name))) for _, name, *_ in ROWS}
    assert [(a, b) for a, b in combinations(shapes, 2) if shapes[a] == shapes[b]] == []


def test_no_two_recipes_resolve_to_the_same_stages() -> None:
    resolved = {}
    for name in recipes.names():
        loaded = recipes.load(name)
        resolved[name] = canonical.digest({stage: getattr(loaded, stage).model_dump(mode="json") for stage in STAGES})
    assert [(a, b) for a, b in combinations(resolved, 2) if resolved[a] == resolved[b]] == []


def test_the_steps_are_all_different() -> None:
    steps = [step for *_, step, _ in ROWS]
    assert len(set(steps)) == len(steps)
