"""Training on a tiny random model: it learns, gives the same weights again, and saves nothing that is broken."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from ratchet import models
from ratchet.artifacts import ImageBank
from ratchet.errors import ModelError, TrainError
from ratchet.recipe import LoraConfig, TrainConfig
from ratchet.records import Group
from ratchet.train import METHODS, Job, TrainReport, weights
from ratchet.train.rows import ROWS, joined
from tests.unit.train.builders import Rows, recipe_of


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def trained(config: TrainConfig, seed_dir: Path, rows: Any, out: Path, seed: int = 3) -> TrainReport:
    return METHODS[config.method](Job(config, seed_dir, rows, out, seed))


def test_sft_learns_and_reports_what_it_did(rows_of: Rows, seed_dir: Path, sft: TrainConfig, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []

    def progress(done: int, total: int, unit: str, note: str = "") -> None:
        told.append((done, total, unit))

    report = METHODS["sft"](Job(sft, seed_dir, rows_of(), tmp_path / "out", 3, progress))
    assert report.loss_last < 0.6 * report.loss_first
    assert (report.method, report.rows, report.visits, report.steps, report.epochs) == ("sft", 60, 360, 24, 6.0)
    assert report.parameters == report.trainable_parameters > 500_000
    assert [row.step for row in report.log] == list(range(1, 25))
    assert report.tokens == report.log[-1].tokens > 360 * 15
    assert told == [(step, 24, "steps") for step in range(1, 25)]
    assert 0 < report.loop_seconds < report.seconds


@pytest.fixture(scope="module")
def short(
    bank: ImageBank, groups: Sequence[Group], seed_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainReport, Path]:
    """The report and the model of two steps, for tests that only look at them."""
    folder = tmp_path_factory.mktemp("short")
    rows = joined(ROWS["sft"](groups[:8], recipe_of("sft")), bank, folder / "rows.arrow")
    return trained(TrainConfig(max_steps=2, batch_size=4), seed_dir, rows, folder / "out"), folder / "out"


def test_the_outcome_has_no_clocks(short: tuple[TrainReport, Path]) -> None:
    report, _ = short
    assert not [name for name in report.outcome() if "seconds" in name]
    assert [step for step, _ in report.outcome()["curve"]] == [1, 2]


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_the_same_seed_gives_the_same_files_bit_by_bit(
    method: str, rows_of: Rows, seed_dir: Path, tmp_path: Path
) -> None:
    config = TrainConfig(method=method, max_steps=3, batch_size=4, learning_rate=1e-3)  # type: ignore[arg-type]
    rows = rows_of(method, 16)
    again, first = (trained(config, seed_dir, rows, tmp_path / name / "model") for name in ("first", "again"))
    other = trained(config, seed_dir, rows, tmp_path / "other" / "model", seed=4)
    assert digests(tmp_path / "first" / "model") == digests(tmp_path / "again" / "model")
    assert first.outcome() == again.outcome()
    assert first.log == again.log
    assert other.log != first.log
    changed = digests(tmp_path / "first" / "model").items() ^ digests(tmp_path / "other" / "model").items()
    assert {name for name, _ in changed} == {"model.safetensors"}


def test_what_is_saved_is_a_plain_model_in_the_seeds_precision(short: tuple[TrainReport, Path], seed_dir: Path) -> None:
    _, out = short
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in seed_dir.iterdir())
    assert {name for name, digest in digests(out).items() if digest != digests(seed_dir)[name]} == {"model.safetensors"}
    assert weights.saved_dtype(out) == "bfloat16"
    model, _ = models.load(out)
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_lora_is_merged_and_learns_less(method: str, rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    config = TrainConfig(method=method, max_steps=3, batch_size=4, learning_rate=5e-3, lora=LoraConfig(rank=2, alpha=8))  # type: ignore[arg-type]
    report = trained(config, seed_dir, rows_of(method, 16), tmp_path / "out")
    assert 0 < report.trainable_parameters < report.parameters / 10
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in seed_dir.iterdir())
    before, after = models.load(seed_dir)[0].state_dict(), models.load(tmp_path / "out")[0].state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("proj" in name or "fc" in name for name in moved)


def test_dpo_with_an_sft_term_widens_the_margin(
    rows_of: Rows, seed_dir: Path, dpo: TrainConfig, tmp_path: Path
) -> None:
    report = trained(dpo, seed_dir, rows_of("dpo"), tmp_path / "out")
    assert (report.rows, report.visits, report.steps) == (60, 60, 8)
    assert report.log[0].metrics["rewards/margins"] == pytest.approx(0, abs=1e-3)
    assert report.log[-1].metrics["rewards/margins"] > 0.05
    assert report.loss_last < report.loss_first


def test_weights_of_losses_change_the_loss(rows_of: Rows, seed_dir: Path, dpo: TrainConfig, tmp_path: Path) -> None:
    config = dpo.model_copy(update={"max_steps": 1, "warmup_ratio": 0, "loss_weights": (1.0, 0.0)})
    report = trained(config, seed_dir, rows_of("dpo", 8), tmp_path / "out")
    assert report.loss_first == pytest.approx(0.6931, abs=1e-3)


def test_a_loss_that_is_not_finite_stops_and_saves_nothing(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e30, warmup_ratio=0, trl={"max_grad_norm": 0.0})
    with pytest.raises(
        TrainError, match=r"the loss is (nan|inf) at step \d+ of 16 .* Lower train\.learning_rate \(1e\+30\)"
    ):
        trained(config, seed_dir, rows_of(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_that_did_not_change_are_not_saved(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    config = TrainConfig(max_steps=1, batch_size=4, learning_rate=1e-30)
    with pytest.raises(TrainError, match="weights equal the seed's in bfloat16 after training"):
        trained(config, seed_dir, rows_of("sft", 4), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_lora_target_that_is_not_there_is_told(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    config = TrainConfig(max_steps=1, lora=LoraConfig(targets=("q_projj",)))
    with pytest.raises(TrainError, match=r"sft training failed in TRL: .*q_projj"):
        trained(config, seed_dir, rows_of("sft", 4), tmp_path / "out")


def test_a_seed_that_is_no_model_is_refused(rows_of: Rows, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        trained(TrainConfig(), tmp_path, rows_of("sft", 4), tmp_path / "out")


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)])
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_nothing_is_printed(
    method: str,
    lora: LoraConfig | None,
    rows_of: Rows,
    seed_dir: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = TrainConfig(method=method, max_steps=2, batch_size=4, learning_rate=1e-2, lora=lora)  # type: ignore[arg-type]
    trained(config, seed_dir, rows_of(method, 4), tmp_path / "out")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
