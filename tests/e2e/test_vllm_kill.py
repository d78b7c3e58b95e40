"""kill -9 in the middle of a vLLM generation stage with two shards, twice: what is finished stays, the whole is the same.

Each try is a process of its own with a vLLM of its own, which kills itself with SIGKILL while its engine is at work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ratchet import models
from ratchet.artifacts import GROUPS, Artifact, Manifest, read_manifest
from ratchet.rounds import Round
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore
from tests import tiny
from tests.e2e.rounds import files
from tests.vllm_servers import SEED_FOLDER, needs_vllm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), needs_vllm]
PROMPTS = 360
GENERATE = {
    "engine": {"kind": "vllm", "cpu_gib": 0.5},
    "k": 4,
    "shards": 2,
    "rows_per_file": 40,
    "batch_size": 32,
}
TRY = "import sys; from tests.e2e.test_vllm_kill import a_try; a_try(*sys.argv[1:])"


def prepared(folder: Path) -> FolderStore:
    """A store with the shipped seed, a prompt set and a round that is not begun."""
    store = FolderStore(str(folder / "store"))
    prompts = tiny.prompt_set(store, pool=PROMPTS, holdout=9, report=9)
    seed = models.upload(store, SEED_FOLDER, "seed")
    opened = tiny.opened_round(store, seed, prompts, {"prompts": {"pool": PROMPTS}, "generate": GENERATE})
    (folder / "round.json").write_text(opened.model_dump_json())
    return store


def context(folder: Path) -> StageContext:
    opened = Round.model_validate_json((folder / "round.json").read_text())
    return context_of("generate", FolderStore(str(folder / "store")), opened, {})


def a_try(folder: str, kill_at: str = "") -> None:
    """Run the stage; with `kill_at`, die at the second sign of life after so many files are finished."""
    stage = context(Path(folder))
    signs = 0

    def die(done: int, total: int, unit: str, note: str = "") -> None:
        nonlocal signs
        signs += len(finished(Path(folder))) == int(kill_at)
        if signs == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    if kill_at:
        stage.progress = die
    run_step(stage)


def finished(folder: Path) -> dict[str, tuple[int, int]]:
    """The finished files of groups, with what changes when a file is written again."""
    loops = folder / "store" / "loops"
    every = files(loops) if loops.exists() else {}
    return {name: every[name] for note in every if (name := note.removesuffix(".json")) != note and name in every}


def run(folder: Path, cache: Path, kill_at: int | None = None) -> int:
    words = [sys.executable, "-c", TRY, str(folder), *([str(kill_at)] if kill_at is not None else [])]
    environment = {**os.environ, "RATCHET_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, cwd=Path(__file__).parents[2], env=environment, check=False).returncode


def made(folder: Path) -> Manifest:
    stage = context(folder)
    return read_manifest(stage.store, stage.prefix, GROUPS.name, GROUPS.version)


def test_a_stage_that_is_killed_while_vllm_samples_keeps_what_is_finished_and_makes_the_same(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        prepared(folder)
    assert run(whole, tmp_path / "cache") == 0
    kept: dict[str, tuple[int, int]] = {}
    for wanted in (2, 7):
        assert run(killed, tmp_path / "cache", kill_at=wanted) == -signal.SIGKILL
        now = finished(killed)
        assert len(now) == wanted
        assert {name: now[name] for name in kept} == kept, "finished work was done again"
        kept = now
    assert {Path(name).parent.name for name in kept} == {"0000", "0001"}, "one kill in each shard"
    assert run(killed, tmp_path / "cache") == 0
    after = finished(killed)
    assert {name: after[name] for name in kept} == kept, "finished work was done again"
    ours, theirs = made(killed), made(whole)
    assert len(after) == len(theirs.shards) >= 9
    assert [shard.sha256 for shard in ours.shards] == [shard.sha256 for shard in theirs.shards]
    assert ours.content_digest == theirs.content_digest
    assert ours.counts == theirs.counts
    ids = [group.prompt.id for group in Artifact.open(context(killed).store, ours.uri, GROUPS).rows()]
    assert len(ids) == len(set(ids)) == PROMPTS == ours.rows
