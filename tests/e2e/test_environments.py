"""Environments in whole rounds: a drawer's real drawings verified, filtered and learned from; mazes and transforms as they ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet import autonomy, loop, recipe, rounds
from ratchet.artifacts import GROUPS, Artifact
from ratchet.begin import BeginOptions
from ratchet.canonical import pretty
from ratchet.errors import TrainError
from ratchet.evaluate.outcomes import OUTCOMES
from ratchet.importing import ImportOptions, import_prompts
from ratchet.recipe import Recipe
from ratchet.records import Group
from ratchet.settings import Settings
from ratchet.store import open_store
from ratchet.tinyworld.drawer import DrawerConfig, drawings, draws, train_drawer
from ratchet.tinyworld.seed import SEED_DIR, load
from ratchet.verify.environments.making import Wanted, make
from tests.micro import settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RECIPES = Path(__file__).resolve().parents[2] / "pipelines" / "recipes"
SETS = {
    "draw-again": ("draw", "drawings"),
    "navigate": ("navigate", "mazes"),
    "transforms": ("transforms", "transformed"),
}


def small(name: str, pool: int, **sizes: Any) -> Recipe:
    """The shipped recipe on `pool` prompts."""
    given = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    given["prompts"] |= {"pool": pool, "validation": 9, "holdout": 30, "report": 9}
    given["generate"] |= {"batch_size": 128, "rows_per_file": 30, "max_new_tokens": 20}
    given["evaluate"] = {"max_new_tokens": 20, "pass_at_k": None}
    given["promote"] = {"min_items": 9}
    return recipe.parse({**given, **sizes})


def ran(settings: Settings, name: str, seed: str, chosen: Recipe, rows: int, folder: Path) -> dict[str, list[Any]]:
    """One round of the recipe on a set of `rows` questions; the groups of each stage and the outcomes."""
    store = open_store(settings.root)
    environment, source = SETS[name]
    make(folder / source, Wanted(environment, rows))
    assert import_prompts(str(folder / source), store, ImportOptions(name=source)).rejected == {}
    loop.init_loop(settings, name, seed)
    text = pretty(chosen.model_dump(mode="json")).decode()
    end = loop.run_in_process(settings, BeginOptions(loop=name, recipe=text))
    assert end.state in ("PROMOTED", "REFUSED"), end.reason
    opened = rounds.read_round(store, name, 1)
    assert opened.autonomy is not None
    assert opened.autonomy.verification == "environment"
    made = rounds.manifests(store, name, 1)
    found: dict[str, list[Any]] = {
        stage: list(Artifact.open(store, made[stage].uri, GROUPS).rows()) for stage in ("verify", "filter")
    }
    found["evaluate"] = list(Artifact.open(store, made["evaluate"].uri, OUTCOMES).rows())
    return found


def verdicts_of(groups: list[Group]) -> list[Any]:
    return [verdict for group in groups for c in group.completions for verdict in c.verdicts]


@pytest.fixture(scope="module")
def drawer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawer")
    train_drawer(folder, DrawerConfig(visits=10_000))
    return folder


def test_the_seed_draws_nothing_and_after_a_short_training_most_drawings_are_in_the_words(drawer: Path) -> None:
    shown = list(drawings("validation", 120, 3))
    before, after = draws(*load(SEED_DIR), shown), draws(*load(drawer), shown)
    assert before.passed == 0
    assert before.score < 0.01  # what it says is mostly "nothing", which is a word, and a blank sheet
    assert after.parsed > 0.9
    assert after.score > 0.5
    assert after.passed > 0.05


def test_draw_it_again_verifies_a_drawers_real_completions_in_a_real_round(drawer: Path, tmp_path: Path) -> None:
    chosen = small("draw-again", 40, train={"max_steps": 4, "batch_size": 8})
    found = ran(settings_in(tmp_path), "draw-again", str(drawer), chosen, 400, tmp_path)
    verdicts = verdicts_of(found["verify"])
    assert len(verdicts) == 40 * 8
    assert {v.verifier for v in verdicts} == {"draw"}
    assert all(v.error is None and v.score is not None for v in verdicts)
    assert {"match", "partial"} <= {v.reason for v in verdicts} <= {"match", "partial", "wrong", "unparsed"}
    learned = [c for group in found["filter"] for c in group.completions if c.kept]
    assert learned
    assert all(c.verdicts[0].reason == "match" for c in learned)
    assert all(outcome.correct is not None for outcome in found["evaluate"])
    assert any(outcome.correct for outcome in found["evaluate"])


@pytest.mark.parametrize("name", ["navigate", "transforms"])
def test_a_model_that_cannot_play_is_told_so_and_nothing_is_learned(name: str, tmp_path: Path) -> None:
    """The tiny seed knows none of these questions' words: everything is scored, nothing passes, training says why it cannot be."""
    settings = settings_in(tmp_path)
    store = open_store(settings.root)
    environment, source = SETS[name]
    make(tmp_path / source, Wanted(environment, 240))
    import_prompts(str(tmp_path / source), store, ImportOptions(name=source))
    loop.init_loop(settings, name, "tinyworld")
    text = pretty(small(name, 16).model_dump(mode="json")).decode()
    with pytest.raises(TrainError, match=r"the filter left 0 rows"):
        loop.run_in_process(settings, BeginOptions(loop=name, recipe=text))
    made = rounds.manifests(store, name, 1)
    verdicts = verdicts_of(list(Artifact.open(store, made["verify"].uri, GROUPS).rows()))
    assert len(verdicts) == 16 * 8
    assert {v.verifier for v in verdicts} == {environment}
    assert all(v.score is not None and v.error is None and not v.passed for v in verdicts)


@pytest.mark.parametrize("name", SETS)
def test_an_environment_that_checks_makes_a_round_autonomous(name: str) -> None:
    assert autonomy.autonomy_of(recipe.load(name), "").verification == "environment"
