"""The tables of docs/collection.md against the code: every method has its strategy or kind, and a recipe that uses it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from ratchet import recipe as recipes
from ratchet.generate.strategies import STRATEGIES
from ratchet.recipe.negatives import PictureKind

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "collection.md").read_text(encoding="utf-8")
METHODS = re.findall(
    r"^\| (?:random|guided|questions|weakness|any) \| (.+) \| `(\w+)`(.*) \| `([\w-]+)` \|$", TEXT, re.M
)
TECHNIQUES = re.findall(r"^\| ([^|`]+) \| `(\w+)`(.*) \| `([\w-]+)` \|$", TEXT.partition("## Negatives")[2], re.M)
KINDS = {*get_args(PictureKind), "swap", "stic", "misleading", "inject", "mask_answer", "mix"}


def test_the_tables_name_every_strategy_every_kind_and_every_engine() -> None:
    assert {strategy for _, strategy, _, _ in METHODS} == set(STRATEGIES) - {"reference"}
    assert {kind for _, kind, _, _ in TECHNIQUES} == KINDS
    engines = re.findall(r"^\| `(\w+)` \|", TEXT.partition("## Engines")[2].partition("##")[0], re.M)
    assert engines == ["transformers", "vllm", "endpoint"]


@pytest.mark.parametrize(("method", "strategy", "how", "name"), METHODS)
def test_a_methods_recipe_uses_its_strategy(method: str, strategy: str, how: str, name: str) -> None:
    generate = recipes.load(name).generate
    (found,) = [one for one in generate.strategy if one.name == strategy]
    for key in re.findall(r"with `(\w+)`", how):
        assert getattr(generate, key) is not None
    for key, value in re.findall(r", (\w+) (\w+)", how):
        assert getattr(found, key) == value


@pytest.mark.parametrize(("technique", "kind", "how", "name"), TECHNIQUES)
def test_a_techniques_recipe_uses_its_kind(technique: str, kind: str, how: str, name: str) -> None:
    found = [one for one in recipes.load(name).generate.negatives if one.kind == kind]
    assert found
    for key, value in re.findall(r", (\w+) (\w+)", how):
        assert all(getattr(one, key) == value for one in found)


def test_the_example_is_a_valid_recipe() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    loaded = recipes.load(block)
    assert [one.name for one in loaded.generate.strategy] == ["random", "chain"]


def test_what_the_text_says_of_the_tiny_worlds_vocabulary_is_so() -> None:
    from ratchet.tinyworld.seed_model import build_processor

    (said,) = re.findall(r"knows (\d+) words", TEXT)
    vocabulary = build_processor().tokenizer.get_vocab()
    assert int(said) == sum(re.fullmatch(r"[a-z]+|\d+", word) is not None for word in vocabulary)
