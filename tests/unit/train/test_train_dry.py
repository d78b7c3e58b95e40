"""The dry run of a profile: one process with its part of a batch, and nothing in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ratchet.artifacts import ImageBank, ModelRef
from ratchet.errors import RecipeError, TrainError
from ratchet.launching import LauncherConfig
from ratchet.launching.trainjob import TrainJobConfig
from ratchet.recipe import TrainConfig
from ratchet.records import Group
from ratchet.store.folder import FolderStore
from ratchet.train import room
from ratchet.train.dryrun import of
from ratchet.train.watch import told
from ratchet.verify.tools import Tools
from tests.unit.train.launched import context

TRAIN: dict[str, Any] = {"epochs": 1, "batch_size": 8, "learning_rate": 2e-3}


def test_one_of_two_processes_takes_its_part_of_the_batch_and_counts_whole_steps(
    groups: Sequence[Group], seed_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 64 << 30
    monkeypatch.setattr(room, "_available", lambda: free)
    monkeypatch.setattr(room, "_cgroup_left", lambda: 2 * free)

    def rehearsed(name: str, launcher: LauncherConfig) -> Any:
        store = FolderStore(tmp_path / name)
        ready = context(store, groups[:24], seed_dir, launcher, **TRAIN)
        before = sorted(stat.uri for stat in store.list(""))
        found = of(ready)
        assert sorted(stat.uri for stat in store.list("")) == before
        return found

    alone = rehearsed("alone", LauncherConfig())
    two = rehearsed("two", LauncherConfig(kind="torchrun", processes=2))
    assert (two.rows, two.steps, two.tokens) == (alone.rows, alone.steps, alone.tokens)
    assert two.parts["activations and logits"] < alone.parts["activations and logits"]
    if two.device == "cpu":
        assert alone.room == alone.held + free
        # The other process is not there yet: it will hold as much, and both share what is left.
        assert two.room == two.held + (free - two.held) // 2


@pytest.mark.parametrize(
    ("launcher", "said"),
    [
        (LauncherConfig(kind="trainjob", trainjob=TrainJobConfig()), "kind trainjob trains on other machines"),
        (LauncherConfig(kind="torchrun", processes=2, strategy="fsdp"), "strategy fsdp shares the model"),
        (LauncherConfig(kind="torchrun", processes=3), "batch_size 8 .* multiple of 3"),
    ],
)
def test_a_launcher_that_one_process_says_nothing_of_is_refused(
    launcher: LauncherConfig, said: str, groups: Sequence[Group], seed_dir: Path, tmp_path: Path
) -> None:
    ready = context(FolderStore(tmp_path / "store"), groups[:8], seed_dir, launcher, **TRAIN)
    with pytest.raises(RecipeError, match=said):
        of(ready)


@pytest.mark.parametrize("keeps", [True, False])
def test_replies_of_judges_are_kept_only_where_they_may_be(keeps: bool, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    ref = ModelRef(name="m", uri=store.uri("models/m/0"), digest="0" * 64)
    tools = Tools(store, ImageBank(store, []), ref, {}, {}, 0, keeps)
    engine: Any = SimpleNamespace(bank=tools.bank, close=lambda: None)
    tools._engines["seed"] = engine
    assert (tools.judge("seed").cache is not None) == keeps
    tools.close()


def test_what_a_verifier_raised_is_not_blamed_on_trl() -> None:
    with (
        pytest.raises(TrainError, match=r"failed in ratchet\.verify\.mine: ValueError: boom\. This is a verifier"),
        told(TrainConfig()),
    ):
        exec("raise ValueError('boom')", {"__name__": "ratchet.verify.mine"})
    with pytest.raises(TrainError, match=r"failed in TRL: ValueError: boom\. Check train\.trl"), told(TrainConfig()):
        raise ValueError("boom")
