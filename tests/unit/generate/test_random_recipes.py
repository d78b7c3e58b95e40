"""The shipped recipes of random sampling and guided rounds make sensible rows: their generate stage, on few prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ratchet import models, recipe
from ratchet.artifacts import GROUPS, Artifact, ModelRef
from ratchet.promptset import PromptSet
from ratchet.records import Completion, Group
from ratchet.stage import context_of, run_step
from ratchet.store import FolderStore, Store
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.verify.applying import verdicts_of
from tests import tiny

Made = tuple[FolderStore, PromptSet, ModelRef]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Made:
    store = FolderStore(str(tmp_path_factory.mktemp("recipes")))
    prompts = tiny.prompt_set(store, pool=54, validation=36, holdout=9, report=9)
    return store, prompts, models.upload(store, SEED_DIR, "seed")


def _small(name: str) -> dict[str, Any]:
    """The recipe's generate part with fewer prompts: the strategy is as shipped."""
    config = recipe.load(name).model_dump(mode="json")["generate"]
    changes: dict[str, Any] = {"rows_per_file": 27}
    if config["weakness"] is not None:
        changes["prompts"] = 27
    if config["tune"] is not None:
        changes["tune"] = {**config["tune"], "prompts": 18}
    return {**config, **changes}


def _run(world: Made, name: str) -> tuple[list[Group], dict[str, Any]]:
    store, prompts, seed = world
    opened = tiny.opened_round(store, seed, prompts, {"prompts": {"pool": 54}, "generate": _small(name)})
    context = context_of("generate", store, opened, {})
    manifest = run_step(context)
    return _rows(store, context.prefix), dict(manifest.results)


def _rows(store: Store, prefix: str) -> list[Group]:
    return list(Artifact(store, prefix, GROUPS).rows())


def _notes(completion: Completion) -> dict[str, float]:
    return {note.name: note.score for note in completion.notes}


def _sima(groups: list[Group], _: dict[str, Any]) -> None:
    assert {tuple(c.sampling.temperature for c in g.completions) for g in groups} == {(0.0, 1.0)}


def _csr(groups: list[Group], _: dict[str, Any]) -> None:
    assert all(1 <= len(g.completions) <= 5 for g in groups)
    assert max(len(g.completions) for g in groups) > 1
    assert all(set(_notes(c)) == {"log_likelihood", "diversity", "depth"} for g in groups for c in g.completions)
    lists = [c for g in groups if g.prompt.skill == "caption" for c in g.completions]
    assert max(_notes(c)["depth"] for c in lists) > 1, "lists are made object by object"
    assert {_notes(c)["depth"] for g in groups if g.prompt.skill == "count" for c in g.completions} == {1.0}


def _best(groups: list[Group], _: dict[str, Any]) -> None:
    assert {len(g.completions) for g in groups} == {1}
    assert {(_notes(c)["n"], _notes(c)["rank"]) for g in groups for c in g.completions} == {(16.0, 0.0)}


def _m_star(groups: list[Group], results: dict[str, Any]) -> None:
    tuned = results["temperature"]
    assert [p["temperature"] for p in tuned["curve"]] == sorted(recipe.load("m-star").generate.tune.temperatures)
    assert {c.sampling.temperature for g in groups for c in g.completions} == {tuned["chosen"]}


def _dpe(groups: list[Group], results: dict[str, Any]) -> None:
    cells = results["cells"]
    assert len(groups) == sum(c["came"] for c in cells) == 27
    weights = [c["weight"] for c in cells if c["probed"]]
    assert 1 < max(weights) / min(weights) <= 4 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("name", "check"), [("sima", _sima), ("csr", _csr), ("best-of-n", _best), ("m-star", _m_star), ("dpe", _dpe)]
)
def test_a_shipped_recipe_makes_rows_of_its_strategy(
    world: Made, name: str, check: Callable[[list[Group], dict[str, Any]], None]
) -> None:
    groups, results = _run(world, name)
    assert set(results["strategies"]) == {one.name for one in recipe.load(name).generate.strategy}
    assert all(g.reason is None and g.completions for g in groups)
    assert all(c.error is None and c.finish_reason == "stop" for g in groups for c in g.completions)
    check(groups, results)
    rights = [v.passed for one in verdicts_of(groups, None, 10.0) for verdicts in one for v in verdicts]
    # The seed is right on about two of three; negatives and pairs need wrong ones too.
    assert 0.1 < sum(map(bool, rights)) / len(rights) < 0.95
