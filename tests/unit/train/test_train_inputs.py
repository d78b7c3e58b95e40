"""What training reads beside its parent is part of its identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet import rounds
from ratchet.errors import RoundError
from ratchet.finish import finish
from ratchet.recipe import Recipe
from ratchet.recipe.training.curriculum import CurriculumConfig, GrowthConfig
from ratchet.registry.stage import run as promote
from ratchet.registry.store_registry import StoreRegistry
from ratchet.rounds import Round
from ratchet.settings import Settings
from ratchet.stage import context_of
from ratchet.store import Store, open_store
from ratchet.train.inputs import digests, trained_from
from tests.unit.loops import LOOP, leave, model, new_loop, opened, promoted
from tests.unit.registry.rows import crown, outcomes, stage


def recipe_text(train: str) -> str:
    sizes = "prompts: {pool: 2, validation: 1, holdout: 2, report: 1}, promote: {min_items: 2}"
    return f"{{name: small, seed: 7, {sizes}, train: {train}}}"


def with_train(given: Round, **train: Any) -> Round:
    recipe = Recipe.model_validate({**given.recipe.model_dump(), "train": train})
    return given.model_copy(update={"recipe": recipe})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(new_loop(tmp_path).root)


@pytest.fixture
def plain(store: Store) -> Round:
    opened(Settings(root=store.root, registry="store"))
    return rounds.read_round(store, LOOP, 1)


def test_the_base_is_the_loops_first_champion_after_promotions_too(tmp_path: Path) -> None:
    settings = new_loop(tmp_path)
    store = open_store(settings.root)
    first = opened(settings)
    promoted(settings, first)
    finish(first.job, LOOP, settings)
    ticket = opened(settings, "job-2", recipe_text("{start: base}"))
    second = rounds.read_round(store, LOOP, ticket.number)
    assert second.seed.digest == model(LOOP, "candidate-1").digest
    assert second.base is not None
    assert second.base.digest == model(LOOP, "seed").digest
    assert trained_from(second) == second.base
    assert digests(store, second) == {"base": second.base.digest}


def test_a_round_that_goes_on_from_its_seed_pins_no_base(store: Store, plain: Round) -> None:
    assert plain.base is None
    assert trained_from(plain) == plain.seed
    assert digests(store, plain) == {}


def test_another_base_is_another_training(store: Store, plain: Round) -> None:
    ticket = rounds.read_run(store, LOOP, "job-1")
    assert ticket is not None
    parents = {"filter": leave(store, ticket, "filter")}
    restart = with_train(plain, start="base").model_copy(update={"base": model(LOOP, "seed")})
    other = restart.model_copy(update={"base": model(LOOP, "other")})
    keys = {context_of("train", store, one, parents).key for one in (plain, restart, other)}
    assert len(keys) == 3


def test_a_round_without_a_base_says_what_to_do(store: Store, plain: Round) -> None:
    with pytest.raises(RoundError, match=r"train\.start base, but names no base.*Begin a new round"):
        digests(store, with_train(plain, start="base"))


def test_growth_depends_on_the_rounds_number(store: Store, plain: Round) -> None:
    grown = with_train(plain, curriculum=CurriculumConfig(growth=GrowthConfig()).model_dump())
    assert digests(store, grown) == {"growth": "1"}
    assert digests(store, grown.model_copy(update={"number": 3})) == {"growth": "3"}


def test_rewards_are_an_input_of_reinforcement_alone(store: Store, plain: Round) -> None:
    rl = with_train(plain, method="grpo")
    other = rl.model_copy(update={"recipe": rl.recipe.model_copy(update={"verify": _verify("none")})})
    assert digests(store, rl).keys() == {"verify", "max_new_tokens"}
    assert digests(store, with_train(plain, method="grpo", rl={"max_new_tokens": 9})).keys() == {"verify"}
    assert digests(store, rl) != digests(store, other)


def _verify(policy: str) -> Any:
    return Recipe.model_validate({"name": "other", "verify": {"policy": policy}}).verify


def test_a_version_names_what_it_was_trained_from(tmp_path: Path) -> None:
    """Its parent is the champion that the gate compared it with; its weights come from the base."""
    store = open_store(str(tmp_path))
    registry = StoreRegistry(store)
    judged = stage(store, crown(registry, store, LOOP), outcomes(wins=60, losses=20))
    base = model(LOOP, "first")
    judged.round = with_train(judged.round, start="base").model_copy(update={"base": base})
    promote(judged)
    tags = registry.version(LOOP, "2").tags
    assert tags["ratchet.trained_from"] == base.digest
    assert tags["ratchet.parent_digest"] == judged.round.seed.digest != base.digest
