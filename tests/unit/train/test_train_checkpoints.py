"""A training that is stopped goes on from its newest good checkpoint, to the same weights bit by bit."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from ratchet.artifacts import ImageBank
from ratchet.errors import StoreError, TrainError
from ratchet.recipe import CheckpointsConfig, LoraConfig, TrainConfig
from ratchet.records import Group
from ratchet.store import FolderStore, Stat, Store
from ratchet.train import METHODS, Job, TrainReport
from ratchet.train.checkpoints import Checkpoints, Training
from ratchet.train.rows import ROWS, joined
from tests.unit.train.builders import Rows, recipe_of
from tests.unit.train.test_train_methods import digests

TRAINING = Training(key="k" * 64, seed="s" * 64, config="c" * 64)
EVERY = CheckpointsConfig(every=2)


class Stopped(Exception):
    """Stands for a kill: it leaves the trainer where it is."""


def settled(done: int, total: int, unit: str, note: str = "") -> None:
    """As progress, which is told of a step before its checkpoint is due: the one before is written, however slow the disk is.

    Else it may still be under way: then the next is skipped, and at the end of the training it is given up.
    """
    for thread in threading.enumerate():
        if thread.name == "ratchet-checkpoint":
            thread.join()


def stopping_at(step: int) -> Any:
    def progress(done: int, total: int, unit: str, note: str = "") -> None:
        settled(done, total, unit, note)
        if done == step:
            raise Stopped

    return progress


def trained(config: TrainConfig, seed_dir: Path, rows: Any, out: Path, store: Store | None, **more: Any) -> TrainReport:
    checkpoints = Checkpoints(store, TRAINING) if store is not None else None
    return METHODS[config.method](Job(config, seed_dir, rows, out, 3, checkpoints=checkpoints, **more))


def stopped(config: TrainConfig, seed_dir: Path, rows: Any, out: Path, store: Store, step: int) -> None:
    with pytest.raises(Stopped):
        trained(config, seed_dir, rows, out, store, progress=stopping_at(step))
    assert not out.exists()


@pytest.fixture
def kept(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "checkpoints")


@pytest.mark.parametrize(
    "config",
    [
        # Twelve rows, four a step: three steps an epoch, so that step 2 is inside the first and step 4 inside the second.
        TrainConfig(max_steps=6, batch_size=4, checkpoints=EVERY),
        TrainConfig(max_steps=6, batch_size=4, checkpoints=EVERY, lora=LoraConfig(rank=2, alpha=8, dropout=0.1)),
        TrainConfig(max_steps=6, batch_size=2, checkpoints=EVERY, trl={"gradient_accumulation_steps": 2}),
        TrainConfig(method="dpo", max_steps=5, batch_size=4, checkpoints=EVERY),
        TrainConfig(method="dpo", max_steps=5, batch_size=4, checkpoints=EVERY, lora=LoraConfig(rank=2, alpha=8)),
        TrainConfig(
            method="dpo",
            max_steps=5,
            batch_size=4,
            checkpoints=EVERY,
            trl={"sync_ref_model": True, "ref_model_sync_steps": 2, "ref_model_mixup_alpha": 0.5},
        ),
        TrainConfig(method="kto", max_steps=5, batch_size=4, checkpoints=EVERY),
        TrainConfig(method="kto", max_steps=5, batch_size=4, checkpoints=EVERY, lora=LoraConfig(rank=2, alpha=8)),
    ],
    ids=["sft", "sft-lora-dropout", "sft-accumulated", "dpo", "dpo-lora", "dpo-moving-reference", "kto", "kto-lora"],
)
def test_a_stopped_training_ends_as_if_it_had_not_been(
    config: TrainConfig, rows_of: Rows, seed_dir: Path, kept: FolderStore, tmp_path: Path
) -> None:
    rows = rows_of(config.method, 12)
    whole = trained(config, seed_dir, rows, tmp_path / "whole", None)
    last = (config.max_steps or 0) - 1
    stopped(config, seed_dir, rows, tmp_path / "again", kept, last)
    report = trained(config, seed_dir, rows, tmp_path / "again", kept)
    assert len(report.resumed_from) == 1
    assert 0 < report.resumed_from[0] < last
    assert report.log == whole.log
    assert report.outcome() == whole.outcome()
    assert digests(tmp_path / "again") == digests(tmp_path / "whole")


def test_a_training_may_be_stopped_often_and_at_the_end_of_an_epoch(
    rows_of: Rows, seed_dir: Path, kept: FolderStore, tmp_path: Path
) -> None:
    config = TrainConfig(epochs=3, batch_size=4, checkpoints=CheckpointsConfig(every=1))
    rows = rows_of("sft", 16)
    whole = trained(config, seed_dir, rows, tmp_path / "whole", None)
    for step in (5, 9):  # four steps an epoch: checkpoints 4 and 8 end one
        stopped(config, seed_dir, rows, tmp_path / "again", kept, step)
    report = trained(config, seed_dir, rows, tmp_path / "again", kept)
    assert len(report.resumed_from) == 2
    assert report.log == whole.log
    assert digests(tmp_path / "again") == digests(tmp_path / "whole")


def test_only_the_newest_checkpoints_stay_and_none_holds_a_pickle(
    rows_of: Rows, seed_dir: Path, kept: FolderStore, tmp_path: Path
) -> None:
    config = TrainConfig(max_steps=9, batch_size=8, checkpoints=CheckpointsConfig(every=1, keep=2))
    report = trained(config, seed_dir, rows_of("sft"), tmp_path / "out", kept, progress=settled)
    checkpoints = Checkpoints(kept, TRAINING)
    assert (report.checkpoints, report.checkpoints_skipped) == (8, 0)
    assert len(checkpoints.steps()) == 2
    names = sorted(kept.key(one.uri) for one in kept.list())
    assert {Path(name).suffix for name in names} == {".json", ".safetensors"}
    listed = {f["sha256"] for n in names if n.endswith(".json") for f in json.loads(kept.get(n))["files"].values()}
    assert listed == {Path(name).stem for name in names if name.endswith(".safetensors")}
    checkpoints.clear()
    assert list(kept.list()) == []


def test_of_an_adapter_only_the_adapter_is_kept(
    rows_of: Rows, seed_dir: Path, kept: FolderStore, tmp_path: Path
) -> None:
    config = TrainConfig(max_steps=2, batch_size=8, checkpoints=CheckpointsConfig(every=1), lora=LoraConfig(rank=2))
    trained(config, seed_dir, rows_of("sft"), tmp_path / "out", kept, progress=settled)
    checkpoints = Checkpoints(kept, TRAINING)
    card = checkpoints.read(1)
    assert card is not None
    assert all("lora_" in name for name in load_file(checkpoints.fetch(card, tmp_path)["weights"]))


def test_checkpoints_of_another_training_are_told_and_passed_over(
    rows_of: Rows, seed_dir: Path, kept: FolderStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = TrainConfig(max_steps=3, batch_size=8, checkpoints=CheckpointsConfig(every=1))
    stopped(config, seed_dir, rows_of("sft"), tmp_path / "out", kept, 3)
    other = Checkpoints(kept, TRAINING.model_copy(update={"seed": "o" * 64}))
    with caplog.at_level(logging.WARNING):
        report = METHODS["sft"](Job(config, seed_dir, rows_of("sft"), tmp_path / "out", 3, checkpoints=other))
    assert report.resumed_from == ()
    assert "is of another training (seed ssssssssssss, here oooooooooooo)" in caplog.text


def test_two_processes_do_not_go_on_from_the_checkpoint_of_one(kept: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"w")
    Checkpoints(kept, TRAINING).write(5, {"weights": tmp_path / "weights"}, {})
    assert Checkpoints(kept, TRAINING).read(5) is not None
    assert Checkpoints(kept, TRAINING).of(2).read(5) is None


@dataclass(frozen=True)
class Before:
    """A training that went through, and the store of the same one stopped at step 7 of 8."""

    config: TrainConfig
    rows: Any
    whole: TrainReport
    store: Path


@pytest.fixture(scope="module")
def before_damage(
    bank: ImageBank, groups: Sequence[Group], seed_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Before:
    """Trained once for all kinds of damage; each spoils a copy."""
    folder = tmp_path_factory.mktemp("before-damage")
    config = TrainConfig(max_steps=8, batch_size=8, checkpoints=EVERY)
    rows = joined(ROWS["sft"](groups, recipe_of("sft")), bank, folder / "rows.arrow")
    whole = trained(config, seed_dir, rows, folder / "whole", None)
    stopped(config, seed_dir, rows, folder / "out", FolderStore(folder / "kept"), 7)
    return Before(config, rows, whole, folder / "kept")


@pytest.mark.parametrize("spoil", ["cut", "lost", "card"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    spoil: str, before_damage: Before, seed_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = FolderStore(shutil.copytree(before_damage.store, tmp_path / "kept"))
    checkpoints = Checkpoints(kept, TRAINING)
    before, newest = checkpoints.steps()
    card = checkpoints.read(newest)
    assert card is not None
    key = f"files/{card.files['optimizer'].sha256}.safetensors"
    if spoil == "cut":
        kept.put(key, kept.get(key)[:-100])
    elif spoil == "lost":
        kept.delete(key)
    else:
        kept.put(f"step-{newest:08d}.json", b'{"step": ')
    report = trained(before_damage.config, seed_dir, before_damage.rows, tmp_path / "out", kept)
    assert report.resumed_from == (before,)
    assert "passed over" in caplog.text
    assert report.log == before_damage.whole.log


def test_weights_that_do_not_fit_are_refused(rows_of: Rows, seed_dir: Path, kept: FolderStore, tmp_path: Path) -> None:
    """As where somebody copied a checkpoint by hand: its card says it belongs here."""
    config = TrainConfig(max_steps=3, batch_size=8, checkpoints=CheckpointsConfig(every=1), lora=LoraConfig(rank=2))
    stopped(config, seed_dir, rows_of("sft"), tmp_path / "out", kept, 3)
    wider = config.model_copy(update={"lora": LoraConfig(rank=4)})
    with pytest.raises(TrainError, match=r"of the checkpoint's \d+ weights do not fit the model"):
        trained(wider, seed_dir, rows_of("sft"), tmp_path / "out", kept)


class Held(FolderStore):
    """A store that takes no file before it is let."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.let = threading.Event()

    def put_file(self, key: str, path: str | PathLike[str]) -> Stat:
        self.let.wait()
        return super().put_file(key, path)


def test_checkpoints_that_are_due_while_one_is_sent_are_skipped(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    config = TrainConfig(max_steps=5, batch_size=8, checkpoints=CheckpointsConfig(every=1))
    kept = Held(tmp_path / "kept")

    def progress(done: int, total: int, unit: str, note: str = "") -> None:
        if done >= 4:
            kept.let.set()
            settled(done, total, unit, note)

    report = trained(config, seed_dir, rows_of("sft"), tmp_path / "out", kept, progress=progress)
    assert (report.checkpoints, report.checkpoints_skipped) == (2, 2)
    assert Checkpoints(kept, TRAINING).steps() == [1, 4]


class Refusing(FolderStore):
    """A store that takes no card."""

    def put(self, key: str, data: bytes) -> Any:
        raise StoreError(f"cannot write {key}: the disk is full")


def test_checkpoints_that_cannot_be_written_are_counted_and_told_once(
    rows_of: Rows, seed_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = TrainConfig(max_steps=6, batch_size=8, checkpoints=CheckpointsConfig(every=1))
    with caplog.at_level(logging.WARNING):
        store = Refusing(tmp_path / "store")
        report = trained(config, seed_dir, rows_of("sft"), tmp_path / "out", store, progress=settled)
    assert (report.checkpoints, report.steps) == (0, 6)
    assert report.checkpoints_failed == 5
    (told,) = [record.message for record in caplog.records if "is not written" in record.message]
    assert "the disk is full" in told
