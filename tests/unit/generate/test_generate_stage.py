from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import GROUPS, Artifact, ArtifactWriter, ModelRef
from ratchet.errors import LeaseLost, SamplingError
from ratchet.generate import ReferenceSampler, SamplingParams
from ratchet.generate import stage as generate
from ratchet.generate.choosing import choose
from ratchet.generate.merging import shard_header, shard_prefix
from ratchet.promptset import open_part
from ratchet.records import Group, Prompt
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore, Store
from tests import tiny

CONFIG = {"k": 2, "max_new_tokens": 4, "batch_size": 16, "rows_per_file": 9}


class Stopped(BaseException):
    """Stands for a kill: nothing catches it."""


class SpyStore(FolderStore):
    """Notes every key whose bytes are read."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.read: list[str] = []

    def get(self, key: str) -> bytes:
        self.read.append(key)
        return super().get(key)

    def open(self, key: str) -> Any:
        self.read.append(key)
        return super().open(key)


def _context(store: Store, model: Path, config: dict[str, Any] | None = None, pool: int = 27) -> StageContext:
    prompts = tiny.prompt_set(store, pool=30, holdout=9, report=9)
    seed = models.upload(store, model, "tiny")
    recipe = {"prompts": {"pool": pool}, "generate": {**CONFIG, **(config or {})}}
    return context_of("generate", store, tiny.opened_round(store, seed, prompts, recipe), {})


def _writer(context: StageContext) -> ArtifactWriter[Group]:
    return ArtifactWriter(context.store, shard_prefix(context, 0), GROUPS, shard_header(context))


def _ids(pool: Artifact[Prompt], most: int, salt: str) -> set[str]:
    choice = choose(pool, most, salt)
    return {p.id for p in pool.rows() if choice.takes(p)}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def test_a_resumed_stage_gives_the_bytes_of_an_undisturbed_one(store, tmp_path, model_folder):
    undisturbed = run_step(_context(FolderStore(str(tmp_path / "other")), model_folder))
    broken = _context(store, model_folder)

    def stop_in_the_second_shard(done: int, total: int, unit: str, note: str = "") -> None:
        if done > 20:
            raise Stopped

    broken.progress = stop_in_the_second_shard
    with pytest.raises(Stopped):
        run_step(broken)
    kept = _writer(broken).finished(0)
    assert kept is not None
    assert _writer(broken).finished(1) is None
    resumed = run_step(_context(store, model_folder))
    assert resumed.shards[0].sha256 == kept.sha256
    assert resumed.content_digest == undisturbed.content_digest
    assert [s.sha256 for s in resumed.shards] == [s.sha256 for s in undisturbed.shards]
    assert resumed.counts == undisturbed.counts


def test_a_complete_stage_returns_at_once(store, model_folder, monkeypatch):
    first = run_step(_context(store, model_folder))
    monkeypatch.setattr(models, "fetch", lambda *_: pytest.fail("the model is not needed again"))
    assert generate.run(_context(store, model_folder)) == first


def test_the_manifest_counts_what_was_made_and_names_the_pool_packs(store, model_folder):
    context = _context(store, model_folder)
    manifest = run_step(context)
    groups = list(Artifact(store, context.prefix, GROUPS).rows())
    assert manifest.rows == len(groups) == 27
    assert manifest.counts["prompts"] == 27
    assert manifest.counts["completions"] == 54
    assert manifest.counts["clipped"] == sum(c.finish_reason == "length" for g in groups for c in g.completions)
    assert manifest.counts["tokens"] == sum(c.n_tokens for g in groups for c in g.completions)
    assert sum(s["completions"] for s in manifest.results["skills"].values()) == 54
    assert manifest.packs == open_part(store, context.prompt_set(), "pool").manifest.packs
    assert {"load", "sample", "write"} <= set(manifest.seconds)


def test_each_round_chooses_its_own_prompts_from_a_larger_pool(store, model_folder):
    pool = open_part(store, tiny.prompt_set(store, pool=60), "pool")
    first, again, other = (_ids(pool, 20, salt) for salt in ("a", "a", "b"))
    assert first == again
    assert len(first) == len(other) == 20
    assert first != other
    assert _ids(pool, 500, "a") == {p.id for p in pool.rows()}


def test_no_row_of_the_holdout_or_report_split_is_read(tmp_path, model_folder):
    store = SpyStore(str(tmp_path / "spied"))
    context = _context(store, model_folder)
    store.read.clear()
    run_step(context)
    assert store.read
    assert not [key for key in store.read if "holdout" in key or "report" in key]


def test_progress_reaches_the_total_also_when_resumed(store, model_folder):
    context = _context(store, model_folder)
    seen: list[tuple[int, int]] = []
    context.progress = lambda done, total, unit, note="": seen.append((done, total))
    run_step(context)
    assert seen[-1] == (54, 54)
    for manifest in (f"{context.prefix}/manifest.json", f"{context.prefix}/shards/0000/manifest.json"):
        store.delete(manifest)
    seen.clear()
    run_step(context)
    assert seen == [(18, 54), (36, 54), (54, 54)]


def test_progress_counts_all_shards_of_a_process(store, model_folder):
    context = _context(store, model_folder, {"shards": 3, "rows_per_file": 4})
    seen: list[tuple[int, int]] = []
    context.progress = lambda done, total, unit, note="": seen.append((done, total))
    run_step(context)
    assert seen[-1] == (54, 54)
    assert {total for _, total in seen} == {54}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len({done for done, _ in seen}) > 6, "it moves in every shard"


def test_a_lost_lease_stops_the_stage_before_it_writes(store, model_folder):
    class Lost:
        epoch = 1

        def check(self) -> None:
            raise LeaseLost("another run took the loop over")

    context = _context(store, model_folder)
    context.lease = Lost()  # type: ignore[assignment]
    with pytest.raises(LeaseLost):
        generate.run(context)
    assert not list(store.list(context.prefix))


def test_the_reference_strategy_needs_no_model(store, tmp_path, model_folder):
    context = _context(store, model_folder, {"strategy": "reference"})
    missing = ModelRef(name="gone", uri=store.uri("models/gone/x"), digest="0" * 64)
    context.round = context.round.model_copy(update={"seed": missing})
    manifest = generate.run(context)
    groups = list(Artifact(store, context.prefix, GROUPS).rows())
    assert [g.completions[0].text for g in groups] == [g.prompt.reference for g in groups]
    assert {(c.model, c.sampling.strategy) for g in groups for c in g.completions} == {("reference", "reference")}
    assert manifest.results["models"] == {"reference": 27}


def test_the_reference_strategy_counts_prompts_without_one(store):
    prompts, _ = tiny.world("pool", 3)
    bare = [p.model_copy(update={"reference": None}) for p in prompts[:2]] + prompts[2:]
    with pytest.raises(SamplingError, match="2 prompts have no reference"):
        list(ReferenceSampler().sample(bare, SamplingParams()))
