"""Rounds in the store whose filter is finished, under a lease: what a launcher with workers needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratchet import models, rounds
from ratchet.artifacts import GROUPS, ArtifactWriter, Header
from ratchet.launching import LauncherConfig
from ratchet.recipe import FilterConfig, PairsConfig, Recipe, TrainConfig
from ratchet.records import Group
from ratchet.registry import lease
from ratchet.rounds import Round
from ratchet.stage import StageContext, context_of
from ratchet.store import Store
from tests import tiny
from tests.unit.train.builders import SKILLS


def context(
    store: Store, groups: Sequence[Group], seed_dir: Path, launcher: LauncherConfig, number: int = 1, **train: Any
) -> StageContext:
    """The train stage of round `number`, trained by `launcher`. The same groups and options give the same stage."""
    writer = ArtifactWriter(
        store, f"loops/demo/rounds/{number:04d}/filter-a", GROUPS, Header(stage="filter", key="a" * 64)
    )
    writer.write(0, groups)
    pack = tiny.pack(store, tiny.world("pool", 60, SKILLS)[1])
    filtered = writer.existing() or writer.commit(packs=[pack], counts={"kept": len(groups)}, results={"reasons": {}})
    opened = Round(
        loop="demo",
        number=number,
        salt="salt",
        job="job-1",
        seed=models.upload(store, seed_dir, "seed"),
        recipe=Recipe(name="test", train=TrainConfig(**train), filter=FilterConfig(pairs=PairsConfig())),
        prompts="p" * 64,
        report="r" * 64,
        family="f" * 64,
        code_revision="test",
    )
    if store.stat(f"{opened.prefix}/round.json") is None:
        rounds.write_round(store, opened)
    held = lease.acquire(store.sub(rounds.loop_prefix("demo")), "job-1", 60)
    return context_of("train", store, opened, {"filter": filtered}, lease=held, launcher=launcher)
