"""A comparison on a handful of prompts: what is measured, what is kept, and what a failure leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ratchet import models, rounds
from ratchet import recipe as recipes
from ratchet.comparing import arms, bench
from ratchet.comparing.bench import BenchOptions, compare, failures
from ratchet.comparing.ground import Ground, imported_ground, tinyworld_ground
from ratchet.comparing.sizing import Collected, Rates, Size
from ratchet.comparing.table import tables
from ratchet.errors import PromptSetError, RecipeError
from ratchet.promptset import open_part, open_set
from ratchet.recipe import EvaluateConfig
from ratchet.recipe.training.curriculum import CurriculumConfig, GrowthConfig
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny

MICRO = """
name: {name}
seed: 7
generate: {{k: 1, strategy: reference, max_new_tokens: 6, rows_per_file: 9, batch_size: 64}}
train: {{batch_size: 8, learning_rate: 1.0e-2, epochs: 1, warmup_ratio: 0.0}}
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("bench")
    store = FolderStore(str(folder / "store"))
    seed = models.upload(store, tiny.save_model(folder / "seed"), "bench")
    return tinyworld_ground(store, seed, pool=54, items=27, salt="t")


@pytest.fixture
def micro(tmp_path: Path) -> str:
    file = tmp_path / "micro.yaml"
    file.write_text(MICRO.format(name="micro"))
    return str(file)


def options(*recipes: str) -> BenchOptions:
    asked = EvaluateConfig(max_new_tokens=6, pass_at_k=None)
    return BenchOptions(recipes=recipes, visits=32, seconds=2.0, prompts=18, evaluate=asked)


def test_both_comparisons_say_what_each_arm_did_and_a_failure_is_a_row(
    ground: Ground, micro: str, tmp_path: Path
) -> None:
    result = compare(ground, options(micro, "vlm-r1"), tmp_path / "out")
    for comparison in ("visits", "seconds"):
        one = result["comparisons"][comparison]["micro"]
        assert one["visits"] > 0
        assert set(one["seconds"]) == {"generate", "verify", "filter", "train"}
        assert one["delta"]["n"] == 27
        assert one["spent"] == pytest.approx(sum(one["seconds"].values()))
    # Nearest in batches of 8: 18 rows are two and a rest, and two more make 34.
    assert result["comparisons"]["visits"]["micro"]["visits"] == 34
    # Nearest in batches of 32, of which the last of an epoch is smaller.
    assert abs(result["comparisons"]["visits"]["no-verifier"]["visits"] - 32) <= 16
    why = {(c, name): said for c, name, said in failures(result)}
    assert "needs prompts like those of 'boxes'" in why["visits", "vlm-r1"]
    assert "the rows that this seed was taught are not known" in why["seconds", "labels-again"]
    shown = tables(result)
    assert shown.count("`vlm-r1` | no result: RecipeError") == 2
    assert json.loads((tmp_path / "out" / "result.json").read_text())["items"] == 27


@pytest.mark.slow
def test_an_arm_of_reinforcement_is_measured_at_equal_visits_and_at_equal_seconds(
    tmp_path: Path, alone: list[str]
) -> None:
    """From a seed that is right at times, so that there are rewards. A visit is a completion."""
    store = FolderStore(str(tmp_path / "store"))
    seed = models.upload(store, SEED_DIR, "bench")
    ground = tinyworld_ground(store, seed, pool=270, items=27, salt="t")
    wanted = BenchOptions(recipes=("grpo",), visits=256, seconds=60.0, prompts=135, evaluate=EvaluateConfig())
    result = compare(ground, wanted, tmp_path / "out")
    assert not list(failures(result))
    assert alone[:2] == ["visits-grpo", "seconds-grpo"]
    made = [result["comparisons"][comparison]["grpo"] for comparison in ("visits", "seconds")]
    assert made[0]["visits"] == 256
    assert all((one["method"], one["visits"] % 128) == ("grpo", 0) for one in made)
    assert all(one["seconds"]["train"] > 0 for one in made)


def test_what_is_done_is_not_done_again(
    ground: Ground, micro: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = compare(ground, options(micro), out)
    (out / "arms" / "seconds-micro.json").unlink()
    # So few seconds may be none on a busy machine: an arm that failed is run again.
    failed = {f"{comparison}-{name}" for comparison, name, _ in failures(first)}
    ran: list[str] = []
    whole = arms.run
    monkeypatch.setattr(arms, "run", lambda *given: (ran.append(f"{given[2]}-{given[1]}"), whole(*given))[1])
    again = compare(ground, options(micro), out)
    assert "seconds-micro" in ran
    assert set(ran) <= {"seconds-micro", *failed}
    # Its stages were done and their times noted, so that the same comes out, to the digit.
    for comparison, made in first["comparisons"].items():
        kept = {name: one for name, one in made.items() if f"{comparison}-{name}" not in failed}
        assert {name: again["comparisons"][comparison][name] for name in kept} == kept


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arms that ran, without controls."""
    ran: list[str] = []
    whole = arms.run
    monkeypatch.setattr(bench, "CONTROLS", ())
    monkeypatch.setattr(arms, "run", lambda *given: (ran.append(f"{given[2]}-{given[1]}"), whole(*given))[1])
    return ran


def test_a_recipe_that_was_changed_is_run_again(
    ground: Ground, micro: str, tmp_path: Path, alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "missed", lambda *_: False)
    first = compare(ground, options(micro), tmp_path / "out")["comparisons"]["visits"]["micro"]
    text = MICRO.format(name="micro")
    Path(micro).write_text(f"description: other words\n{text}")
    assert compare(ground, options(micro), tmp_path / "out")["comparisons"]["visits"]["micro"] == first
    assert alone == ["visits-micro", "seconds-micro"]
    Path(micro).write_text(text.replace("1.0e-2", "2.0e-2"))
    second = compare(ground, options(micro), tmp_path / "out")["comparisons"]["visits"]["micro"]
    assert alone == ["visits-micro", "seconds-micro"] * 2
    assert second["model"]["digest"] != first["model"]["digest"]


def test_an_arm_that_failed_is_tried_again(
    ground: Ground, micro: str, tmp_path: Path, alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = arms.run

    def full(*_: Any) -> Any:
        raise OSError("the disk is full")

    monkeypatch.setattr(arms, "run", full)
    failed = compare(ground, options(micro), tmp_path / "out")["comparisons"]
    assert {made["micro"]["error"] for made in failed.values()} == {"OSError: the disk is full"}
    monkeypatch.setattr(arms, "run", whole)
    assert "error" not in compare(ground, options(micro), tmp_path / "out")["comparisons"]["seconds"]["micro"]
    assert alone[:2] == ["visits-micro", "seconds-micro"]


@pytest.mark.parametrize(("spent", "kept"), [((19.0,), 0), ((60.0, 25.0), 1), ((10.0, 99.0), 0)])
def test_seconds_that_were_missed_are_aimed_at_once_more(
    spent: tuple[float, ...], kept: int, ground: Ground, micro: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rates of the first try; the nearer of the two stays."""
    asked: list[int] = []

    def run(_ground: Any, _name: Any, _comparison: Any, _recipe: Any, _prompts: Any, take: int, steps: Any) -> arms.Run:
        seconds = {"generate": 0.5 * spent[len(asked)], "train": 0.5 * spent[len(asked)]}
        asked.append(take)
        size = Size(prompts=take, steps=steps(Collected(seconds=seconds["generate"], rows=take)))
        return arms.Run(size=size, seconds=seconds, model=ground.seed, method="sft", rows=take, visits=take)

    monkeypatch.setattr(arms, "run", run)
    arm = bench.Arm("micro", micro, "seconds")
    pool = ground.prompts(None)
    found = Rates(collect=0.5, step=4.0, rows=1.0)
    ran = bench._at_equal_seconds(arm, recipes.load(micro), pool, ground, 20.0, found)
    assert asked[0] == 20
    assert len(asked) == len(spent)
    assert ran.spent == spent[kept]
    assert len(asked) == 1 or (asked[1] < 20) is (spent[0] > 20)


def test_a_stage_that_was_not_timed_is_made_again(ground: Ground, micro: str, tmp_path: Path) -> None:
    first = compare(ground, options(micro), tmp_path / "one")["comparisons"]["visits"]["micro"]
    every = [ground.store.key(stat.uri) for stat in ground.store.list("loops/bench/controls/bench-visits-micro/")]
    (noted,) = [key for key in every if "/generate-" in key and key.endswith("bench-seconds.json")]
    ground.store.delete(noted)
    second = compare(ground, options(micro), tmp_path / "two")["comparisons"]["visits"]["micro"]
    assert ground.store.exists(noted)
    assert second["seconds"]["generate"] > 0
    assert (second["model"], second["delta"]) == (first["model"], first["delta"])


def test_a_folder_of_other_options_is_refused(ground: Ground, micro: str, tmp_path: Path) -> None:
    compare(ground, options(micro), tmp_path / "out")
    with pytest.raises(RecipeError, match="another folder with --out"):
        compare(ground, options(micro).model_copy(update={"visits": 99}), tmp_path / "out")


def test_no_item_is_learned_from_and_no_look_is_spent(ground: Ground, micro: str, tmp_path: Path) -> None:
    compare(ground, options(micro), tmp_path / "out")
    items = {prompt.id for prompt in ground.items}
    for skills in (None, ("count",)):
        part = ground.prompts(skills)
        for split in ("pool", "validation"):
            rows = list(open_part(ground.store, part, split).rows())
            assert rows
            assert not items & {row.id for row in rows}
            assert skills is None or {row.skill for row in rows} == set(skills)
    assert list(ground.store.list("looks/")) == []
    assert rounds.numbers(ground.store, "bench") == []


def test_an_arm_is_a_loops_first_round(ground: Ground) -> None:
    """Rows that grow from round to round start at `growth.start`: in the round before the first these would be none."""
    growing = recipes.load(MICRO.format(name="growing"))
    growth = GrowthConfig(start=0.5, step=0.5)
    train = growing.train.model_copy(update={"curriculum": CurriculumConfig(growth=growth)})
    growing = growing.model_copy(update={"train": train})
    ran = arms.run(ground, "growing", "visits", growing, ground.prompts(None), 18, lambda _: 1)
    assert 0 < ran.rows < 18, ran.rows


def test_an_imported_set_gives_the_half_of_its_validation_that_rounds_do_not_read(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "store"))
    tiny.prompt_set(store, pool=18, validation=36, holdout=9, report=9)
    seed: Any = models.upload(store, tiny.save_model(tmp_path / "seed"), "seed")
    ground = imported_ground(store, seed, "tiny", 100, "t", "mine")
    steered = {row.id for row in open_part(store, ground.prompts(None), "validation").rows()}
    everything = {row.id for row in open_part(store, open_set(store, "tiny"), "validation").rows()}
    measured = {prompt.id for prompt in ground.items}
    assert measured
    assert steered
    assert measured | steered == everything
    assert not measured & steered
    fewer = imported_ground(store, seed, "tiny", 3, "t", "mine")
    assert len(fewer.items) == 3
    again = {row.id for row in open_part(store, fewer.prompts(None), "validation").rows()}
    assert again == steered, "what is measured where there are more items steers nobody"
    with pytest.raises(PromptSetError, match="no prompt of the skills fly"):
        ground.prompts(("fly",))
