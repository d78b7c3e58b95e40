"""Looks at validation: the best one's weights are the candidate's, and training stops when none is better for long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet.errors import TrainError
from ratchet.recipe import CheckpointsConfig, LoraConfig, TrainConfig
from ratchet.store import FolderStore
from ratchet.train import METHODS, Job, TrainReport
from ratchet.train.checkpoints import Checkpoints
from tests.unit.train.builders import Rows
from tests.unit.train.test_train_checkpoints import TRAINING, Stopped, stopping_at
from tests.unit.train.test_train_methods import digests


class Scores:
    """The score of each look, in order."""

    def __init__(self, *scores: float) -> None:
        self.left = list(scores)
        self.seen: list[bool] = []

    def __call__(self, model: Any, processor: Any) -> float:
        self.seen.append(model.training)
        return self.left.pop(0)


def config(steps: int, **more: Any) -> TrainConfig:
    checkpoints = CheckpointsConfig(best="validation", **{"validate_every": 1, **more})
    return TrainConfig(max_steps=steps, batch_size=8, schedule="constant", warmup_ratio=0, checkpoints=checkpoints)


def looked(
    given: TrainConfig, seed_dir: Path, rows: Any, out: Path, scores: Sequence[float], **more: Any
) -> TrainReport:
    return METHODS[given.method](Job(given, seed_dir, rows, out, 3, validation=Scores(*scores), **more))


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2, alpha=8)])
def test_the_weights_of_the_best_look_are_saved(
    lora: LoraConfig | None, rows_of: Rows, seed_dir: Path, tmp_path: Path
) -> None:
    given = config(4).model_copy(update={"lora": lora})
    report = looked(given, seed_dir, rows_of("sft"), tmp_path / "best", [0.1, 0.2, 0.5, 0.5, 0.3])
    assert [(look.step, look.score) for look in report.looks] == [(0, 0.1), (1, 0.2), (2, 0.5), (3, 0.5), (4, 0.3)]
    assert (report.best_step, report.steps) == (2, 4)
    assert [row.metrics["validation"] for row in report.log] == [0.2, 0.5, 0.5, 0.3]
    two = TrainConfig(max_steps=2, batch_size=8, schedule="constant", warmup_ratio=0, lora=lora)
    METHODS["sft"](Job(two, seed_dir, rows_of("sft"), tmp_path / "two", 3))
    assert digests(tmp_path / "best") == digests(tmp_path / "two")


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_methods_of_preference_carry_their_best_look_too(
    method: Any, rows_of: Rows, seed_dir: Path, tmp_path: Path
) -> None:
    given = config(3).model_copy(update={"method": method})
    report = looked(given, seed_dir, rows_of(method, 12), tmp_path / "best", [0.1, 0.2, 0.5, 0.3])
    assert (report.best_step, report.steps) == (2, 3)
    two = TrainConfig(method=method, max_steps=2, batch_size=8, schedule="constant", warmup_ratio=0)
    METHODS[method](Job(two, seed_dir, rows_of(method, 12), tmp_path / "two", 3))
    assert digests(tmp_path / "best") == digests(tmp_path / "two")


def test_without_a_better_look_training_stops_after_its_patience(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    report = looked(config(9, patience=2), seed_dir, rows_of("sft"), tmp_path / "out", [0.1, 0.4, 0.4, 0.3, 0.9])
    assert (report.steps, report.best_step) == (3, 1)
    assert report.outcome()["looks"][-1] == {"step": 3, "score": 0.3}


def test_where_nothing_is_better_than_the_seed_the_best_after_it_is_taken(
    rows_of: Rows, seed_dir: Path, tmp_path: Path
) -> None:
    report = looked(config(3), seed_dir, rows_of("sft"), tmp_path / "out", [0.9, 0.1, 0.2, 0.2])
    assert report.best_step == 2
    assert max(report.looks, key=lambda look: look.score).step == 0


def test_looks_are_a_tenth_of_the_steps_apart_and_after_the_last(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    given = config(11, validate_every=None).model_copy(update={"batch_size": 2})
    scores = Scores(*[0.0] * 12)
    METHODS["sft"](Job(given, seed_dir, rows_of("sft", 8), tmp_path / "out", 3, validation=scores))
    assert len(scores.seen) == 12
    every_four = config(6, validate_every=4).model_copy(update={"batch_size": 2})
    report = looked(every_four, seed_dir, rows_of("sft", 8), tmp_path / "four", [0.0] * 3)
    assert [look.step for look in report.looks] == [0, 4, 6]


def test_a_stopped_training_remembers_its_looks_and_its_best_weights(
    rows_of: Rows, seed_dir: Path, tmp_path: Path
) -> None:
    given = config(7, every=1)
    rows, scores = rows_of("sft"), [0.1, 0.2, 0.9, 0.3, 0.4, 0.4, 0.1, 0.1]
    whole = looked(given, seed_dir, rows, tmp_path / "whole", scores)
    checkpoints = Checkpoints(FolderStore(tmp_path / "kept"), TRAINING)
    more: dict[str, Any] = {"checkpoints": checkpoints, "progress": stopping_at(6)}
    with pytest.raises(Stopped):
        looked(given, seed_dir, rows, tmp_path / "again", scores, **more)
    newest = checkpoints.steps()[-1]
    report = looked(given, seed_dir, rows, tmp_path / "again", scores[newest + 1 :], checkpoints=checkpoints)
    assert report.resumed_from == (newest,)
    assert newest == 5
    assert report.outcome() == whole.outcome()
    assert report.log == whole.log
    assert digests(tmp_path / "again") == digests(tmp_path / "whole")


def test_what_looks_alone_read_is_refused_without_them() -> None:
    with pytest.raises(ValueError, match=r"validate_every and patience are of looks at validation"):
        CheckpointsConfig(validate_every=3, patience=2)


def test_best_of_validation_needs_a_validation(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"best is validation, but this training was given no validation"):
        METHODS["sft"](Job(config(1), seed_dir, rows_of("sft", 8), tmp_path / "out", 3))
