"""Rounds and parents for stage tests, without the stages before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ratchet.artifacts import GROUPS, Artifact, ArtifactWriter, Header, Manifest, ModelRef, Pack
from ratchet.promptset import Fingerprint, PromptSetWriter
from ratchet.recipe import Recipe
from ratchet.records import Group
from ratchet.rounds import Round
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import Store
from ratchet.store.folder import FolderStore

DIGEST = "a" * 64


def store_at(folder: Path) -> FolderStore:
    return FolderStore(str(folder))


def round_at(store: Store, recipe: Mapping[str, Any] | None = None, held_out: Iterable[Fingerprint] = ()) -> Round:
    """A round whose prompt set has no rows at all: only the fingerprints of what it holds out."""
    prompts = PromptSetWriter(store, name="none", digest=DIGEST, source="test", salt="s").finish(held_out)
    return Round(
        loop="test",
        number=0,
        salt="salt",
        job="job",
        seed=ModelRef(name="seed", uri=store.uri("models/seed"), digest="0" * 64),
        recipe=Recipe.model_validate({"name": "test", **(recipe or {})}),
        prompts=prompts.digest,
        report=prompts.digest,
        family=prompts.family,
        code_revision="test",
    )


def parent(
    store: Store, stage: str, groups: Sequence[Group], shard_size: int = 4, packs: Iterable[Pack] = ()
) -> Manifest:
    """An artifact of groups as the given stage would leave it."""
    writer = ArtifactWriter(store, f"parents/{stage}-{shard_size}", GROUPS, Header(stage=stage, key="k"))
    for index, start in enumerate(range(0, len(groups), shard_size)):
        writer.write(index, groups[start : start + shard_size])
    return writer.commit(packs=packs)


def context(store: Store, opened: Round, name: str, **parents: Manifest) -> StageContext:
    return context_of(name, store, opened, parents)


def run(store: Store, opened: Round, name: str, **parents: Manifest) -> Manifest:
    return run_step(context(store, opened, name, **parents))


def rows_of(store: Store, manifest: Manifest) -> list[Group]:
    return list(Artifact.open(store, manifest.uri, GROUPS).rows())
