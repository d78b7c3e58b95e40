"""The stage: from the filter's artifact and the round's seed to a model in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import GROUPS, MANIFEST, Artifact, ArtifactWriter, Header, Manifest, ModelRef
from ratchet.errors import LeaseLost, RecipeError, TrainError
from ratchet.launching import LauncherConfig
from ratchet.recipe import FilterConfig, PairsConfig, Recipe, TrainConfig
from ratchet.recipe.training.curriculum import CurriculumConfig, GrowthConfig
from ratchet.records import Group
from ratchet.rounds import Round
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store.folder import FolderStore
from ratchet.train import TRAIN_LOG
from ratchet.train.preparing import training_seed
from tests import tiny
from tests.unit.train.builders import SKILLS

FEW = TrainConfig(max_steps=3, batch_size=8)


@pytest.fixture
def round_store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def context(
    store: FolderStore,
    groups: Sequence[Group],
    seed_dir: Path,
    config: TrainConfig = FEW,
    reasons: dict[str, int] | None = None,
    kept: int | None = None,
) -> StageContext:
    """A round whose filter is finished."""
    writer = ArtifactWriter(store, "loops/demo/rounds/0001/filter-a", GROUPS, Header(stage="filter", key="a" * 64))
    writer.write(0, groups[:16])
    writer.write(1, groups[16:])
    pack = tiny.pack(store, tiny.world("pool", 60, SKILLS)[1])
    filtered = writer.existing() or writer.commit(
        packs=[pack],
        counts={"kept": len(groups) if kept is None else kept, "too-hard": 7},
        results={"reasons": reasons or {}},
    )
    opened = Round(
        loop="demo",
        number=1,
        salt="salt",
        job="job-1",
        seed=models.upload(store, seed_dir, "seed"),
        recipe=Recipe(name="test", train=config, filter=FilterConfig(pairs=PairsConfig())),
        prompts="p" * 64,
        report="r" * 64,
        family="f" * 64,
        code_revision="test",
    )
    return context_of("train", store, opened, {"filter": filtered})


def candidate(manifest: Manifest) -> ModelRef:
    return ModelRef.model_validate(manifest.results["model"])


@pytest.mark.parametrize(("method", "groups_used"), [("sft", 24), ("dpo", 24)])
def test_the_stage_uploads_a_model_and_writes_its_log(
    method: Any, groups_used: int, round_store: FolderStore, groups: Sequence[Group], seed_dir: Path, tmp_path: Path
) -> None:
    ready = context(round_store, groups[:groups_used], seed_dir, FEW.model_copy(update={"method": method}))
    manifest = run_step(ready)
    assert (manifest.stage, manifest.schema_name, manifest.rows) == ("train", "train-log", 3)
    assert manifest.counts == {"rows": groups_used, "visits": 24, "steps": 3}
    assert manifest.results["report"]["method"] == method
    assert not [name for name in manifest.results["report"] if "seconds" in name]
    assert {"rows", "fetch", "train", "loop", "upload"} <= set(manifest.seconds)
    model = candidate(manifest)
    assert model.name == "demo"
    assert model.digest != ready.round.seed.digest
    models.load(models.fetch(round_store, model, tmp_path / "cache"))
    assert [row.step for row in Artifact.open(round_store, manifest.uri, TRAIN_LOG).rows()] == [1, 2, 3]


def test_a_stage_that_was_killed_gives_the_same_model_again(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Path
) -> None:
    ready = context(round_store, groups[:24], seed_dir)
    first = run_step(ready)
    round_store.delete(f"{ready.prefix}/{MANIFEST}")
    again = run_step(context(round_store, groups[:24], seed_dir))
    assert again.created != first.created
    assert candidate(again) == candidate(first)
    assert again.content_digest == first.content_digest


def test_the_same_training_in_another_store_has_the_same_content(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Path, tmp_path: Path
) -> None:
    here = run_step(context(round_store, groups[:24], seed_dir))
    there = run_step(context(FolderStore(tmp_path / "elsewhere"), groups[:24], seed_dir))
    assert candidate(here).uri != candidate(there).uri
    assert candidate(here).digest == candidate(there).digest
    assert here.content_digest == there.content_digest


def test_where_a_stage_trains_is_no_part_of_its_place(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Path
) -> None:
    ready = context(round_store, groups[:24], seed_dir)
    two = LauncherConfig(kind="torchrun", processes=2)
    elsewhere = context_of("train", round_store, ready.round, ready.parents, launcher=two)
    assert (elsewhere.launcher, ready.launcher) == (two, LauncherConfig())
    assert elsewhere.prefix == ready.prefix


def test_a_finished_stage_is_not_run_again(round_store: FolderStore, groups: Sequence[Group], seed_dir: Path) -> None:
    first = run_step(context(round_store, groups[:24], seed_dir))
    assert run_step(context(round_store, groups[:24], seed_dir)) == first


def test_no_rows_stop_the_stage_with_the_filters_counts(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Path
) -> None:
    dropped = [group.model_copy(update={"uses": (), "reason": "too-hard"}) for group in groups[:24]]
    with pytest.raises(TrainError, match=r"0 rows for sft of 24 groups \(its counts: kept 24, too-hard 7\)"):
        run_step(context(round_store, dropped, seed_dir))


@pytest.mark.parametrize(
    ("reasons", "advice"),
    [
        ({"unscored": 20, "too_hard": 4}, "label votes), or set verify.verifiers"),
        ({"unreadable_question": 23, "unscored": 1}, "readable questions; see docs/collection.md"),
        ({"too_hard": 24}, "min_pass_rate"),
        ({"near_duplicate": 24}, "loosen filter, or sample more"),
        ({"common_opening": 24}, "given up in generate as common_opening"),
        ({}, "Loosen filter, or sample more"),
    ],
)
def test_no_rows_are_answered_with_what_mends_the_commonest_reason(
    reasons: dict[str, int], advice: str, round_store: FolderStore, groups: Sequence[Group], seed_dir: Path
) -> None:
    dropped = [group.model_copy(update={"uses": ()}) for group in groups[:24]]
    with pytest.raises(TrainError) as raised:
        run_step(context(round_store, dropped, seed_dir, reasons=reasons, kept=0))
    assert advice in str(raised.value)
    assert ("oosen filter" in str(raised.value)) == ("oosen filter" in advice or advice == "min_pass_rate")


def test_kept_groups_without_pairs_ask_for_more_answers_not_for_a_looser_filter(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Path
) -> None:
    bare = [group.model_copy(update={"uses": (), "pairs": ()}) for group in groups[:24]]
    config = FEW.model_copy(update={"method": "dpo"})
    with pytest.raises(TrainError, match=r"hold nothing for dpo: raise generate\.k, or add generate\.negatives"):
        run_step(context(round_store, bare, seed_dir, config, reasons={"too_easy": 3}))


def test_wrong_options_stop_the_stage_before_it_reads(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Path
) -> None:
    ready = context(round_store, groups[:24], seed_dir, TrainConfig(trl={"nonsense": 1}))
    for stat in list(round_store.list(round_store.key(ready.parents["filter"].uri))):
        round_store.delete(round_store.key(stat.uri))
    with pytest.raises(RecipeError, match="nonsense"):
        run_step(ready)


def test_a_lost_lease_uploads_nothing(round_store: FolderStore, groups: Sequence[Group], seed_dir: Path) -> None:
    class Lost:
        epoch = 1
        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks > 1:
                raise LeaseLost("another run holds the loop")

    ready = context(round_store, groups[:24], seed_dir)
    ready.lease = Lost()  # type: ignore[assignment]
    with pytest.raises(LeaseLost):
        run_step(ready)
    assert not list(round_store.list("models/demo/"))
    assert round_store.stat(f"{ready.prefix}/{MANIFEST}") is None


def test_each_salt_gives_its_own_training_seed() -> None:
    seeds = {training_seed(f"salt-{n}") for n in range(100)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_the_manifest_says_what_was_learned_from_and_what_growth_left(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Path
) -> None:
    config = FEW.model_copy(update={"curriculum": CurriculumConfig(growth=GrowthConfig(start=0.5, step=0.5))})
    replayed = [group.model_copy(update={"replayed": 4}) for group in groups[:4]]
    manifest = run_step(context(round_store, [*replayed, *groups[4:24]], seed_dir, config))
    intake = manifest.results["report"]["intake"]
    assert 0 < intake["left_out"] < 24
    assert manifest.counts["rows"] == 24 - intake["left_out"]
    assert sum(one["rows"] for one in intake["skills"].values()) == manifest.counts["rows"]
    assert sum(one["visits"] for one in intake["skills"].values()) == manifest.counts["visits"]
    assert set(intake["bands"]) == {"0.4-0.6"}
    everything = run_step(context(round_store, [*replayed, *groups[4:24]], seed_dir))
    assert everything.results["report"]["intake"]["left_out"] == 0
    assert everything.results["report"]["intake"]["replayed"] == 4


def test_a_restart_trains_the_base_and_not_the_rounds_seed(
    round_store: FolderStore, groups: Sequence[Group], seed_dir: Path, tmp_path: Path
) -> None:
    onward = context(round_store, groups[:24], seed_dir)
    expected = run_step(onward)
    other = models.upload(round_store, tiny.save_model(tmp_path / "champion", seed=1), "champion")
    config = FEW.model_copy(update={"start": "base"})
    recipe = onward.round.recipe.model_copy(update={"train": config})
    changes = {"seed": other, "base": onward.round.seed, "recipe": recipe}
    restarted = context_of("train", round_store, onward.round.model_copy(update=changes), onward.parents)
    made = run_step(restarted)
    assert restarted.key != onward.key
    assert candidate(made) == candidate(expected), "the same rows from the same weights"
    assert made.results["trained_from"]["digest"] == onward.round.seed.digest
    assert made.seed_model is not None
    assert made.seed_model.digest == other.digest


def test_a_share_that_takes_no_row_is_told(round_store: FolderStore, groups: Sequence[Group], seed_dir: Path) -> None:
    config = FEW.model_copy(update={"curriculum": CurriculumConfig(growth=GrowthConfig(start=1e-6))})
    with pytest.raises(TrainError, match=r"share of 1e-06 of the prompts in round 1, which is none of these 24 rows"):
        run_step(context(round_store, groups[:24], seed_dir, config))
