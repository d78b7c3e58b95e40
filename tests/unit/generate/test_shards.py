from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet import models, rounds
from ratchet.artifacts import GROUPS, Artifact
from ratchet.errors import ManifestMissing, RecipeError, RoundError
from ratchet.generate import stage as generate
from ratchet.generate.choosing import shard_of
from ratchet.generate.merging import merge, shard_prefix
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore, Store
from tests import tiny

CONFIG = {"strategy": "reference", "rows_per_file": 4}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def _context(store: Store, model: Path, **config: Any) -> StageContext:
    prompts = tiny.prompt_set(store, pool=30, holdout=9, report=9)
    seed = models.upload(store, model, "tiny")
    recipe = {"prompts": {"pool": 30}, "generate": {**CONFIG, **config}}
    return context_of("generate", store, tiny.opened_round(store, seed, prompts, recipe), {})


def _etags(store: Store, prefix: str) -> dict[str, str]:
    return {store.key(one.uri): one.etag for one in store.list(prefix)}


def test_shards_hold_every_prompt_once_where_its_id_says(store, model_folder):
    context = _context(store, model_folder, shards=3)
    manifest = run_step(context)
    whole = {g.prompt.id for g in Artifact(store, context.prefix, GROUPS).rows()}
    assert len(whole) == manifest.rows == 30
    for number in range(3):
        rows = list(Artifact(store, shard_prefix(context, number), GROUPS).rows())
        assert rows
        assert {shard_of(g.prompt.id, 3) for g in rows} == {number}


def test_the_number_of_shards_changes_no_row(store, model_folder):
    one, three = (run_step(_context(store, model_folder, shards=n)) for n in (1, 3))
    assert one.uri != three.uri
    assert one.content_digest == three.content_digest
    assert one.counts == three.counts
    assert one.results == three.results


def test_merge_names_the_shards_that_are_missing_and_what_makes_them(store, model_folder):
    context = _context(store, model_folder, shards=3)
    generate.run_shard(context, 1)
    with pytest.raises(ManifestMissing, match=r"2 of 3 shards .* not finished: 0, 2\. `ratchet generate --loop"):
        merge(context)
    assert rounds.manifests(store, context.round.loop, context.round.number) == {}, "a shard is not the stage"


def test_a_lost_shard_is_made_again_alone(store, model_folder):
    context = _context(store, model_folder, shards=3)
    first = run_step(context)
    lost = shard_prefix(context, 1)
    for one in [*store.list(lost)]:
        store.delete(store.key(one.uri))
    store.delete(f"{context.prefix}/manifest.json")
    kept = _etags(store, context.prefix)
    again = generate.run_shard(_context(store, model_folder, shards=3), 1)
    assert again.uri == store.uri(lost)
    merged = merge(context)
    assert merged.content_digest == first.content_digest
    assert [s.sha256 for s in merged.shards] == [s.sha256 for s in first.shards]
    assert kept.items() <= _etags(store, context.prefix).items(), "the other shards are as they were"


def test_merge_refuses_what_other_tasks_have_handed_on(store, model_folder):
    context = _context(store, model_folder, shards=2)
    uris = [generate.run_shard(context, number).uri for number in range(2)]
    with pytest.raises(RoundError, match="3 shards were handed on"):
        merge(context, [*uris, "file:///elsewhere"])
    assert merge(context, uris[::-1]).rows == 30


def test_a_shard_that_the_recipe_does_not_have_is_refused(store, model_folder):
    with pytest.raises(RecipeError, match="there is no shard 2; the recipe has 2: 0 to 1"):
        generate.run_shard(_context(store, model_folder, shards=2), 2)
