"""Steps that are in the training: what they do to the loss, the completions and the weights of a few rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import softplus

from ratchet.recipe import CheckpointsConfig, TrainConfig
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.train import METHODS, Job
from ratchet.train.preference.pictures import BadPictures
from ratchet.train.rows import joined
from tests import tiny
from tests.asking import pictures
from tests.rows import image_ref, png
from tests.unit.methods.made import Made, few
from tests.unit.methods.test_steps_reinforced import asking, two_questions
from tests.unit.train.preference.likelihoods import Pair
from tests.unit.train.rl.conftest import Scores, early_letters, rewards
from tests.unit.train.test_train_looks import Scores as Looked
from tests.unit.train.test_train_methods import digests

RoundOf = Callable[..., Made]


def test_mdpos_terms_are_in_the_loss_of_its_batch(round_of: RoundOf, tmp_path: Path) -> None:
    made = round_of("mdpo")
    config = made.recipe.train
    terms = config.pictures
    assert terms is not None
    rows = few(made, tmp_path, 3, BadPictures(terms, made.bank, 5))
    whole = Pair(config, SEED_DIR, rows, tmp_path)
    plain = Pair(config.model_copy(update={"pictures": None}), SEED_DIR, rows.remove_columns("bad_images"), tmp_path)
    good, bad = (
        config.beta * torch.tensor([whole.reward(row, "chosen", pictures) for row in whole.rows])
        for pictures in ("images", "bad_images")
    )
    # -log sigmoid of: the chosen answer against itself beside the bad picture, and its own reward.
    added = softplus(bad - good).mean() + softplus(-good).mean()
    assert (good - bad).abs().max() > 1e-3
    assert whole.loss() == pytest.approx(plain.loss() + float(added), abs=1e-4)


def test_vision_r1_lets_completions_be_twice_as_long_in_its_second_half(round_of: RoundOf, tmp_path: Path) -> None:
    made = round_of("vision-r1")
    config = made.recipe.train.model_copy(update={"max_steps": 2, "batch_size": made.recipe.train.reinforcement.k})
    seed = tiny.save_model(tmp_path / "seed")
    given = rewards(Scores("a", early_letters))
    report = METHODS["grpo"](Job(config, seed, few(made, tmp_path, 4), tmp_path / "out", 3, rewards=given))
    # A random model hardly ever ends an answer.
    assert [row.metrics["completions/max_length"] for row in report.log] == [6.0, 12.0]
    assert [row.metrics["max_new_tokens"] for row in report.log] == [6.0, 12.0]


def test_evolmms_price_of_divergence_follows_what_it_measures(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    made = asking("evolmm", two_questions, pictures(1), store)
    config = made.recipe.train
    rl = config.reinforcement.model_copy(update={"max_new_tokens": 4})
    few_steps = {"max_steps": 3, "batch_size": rl.k, "learning_rate": 1e-2, "rl": rl}
    rows = joined(made.rows, tiny.bank(store, {image_ref(0).sha256: png((0, 0, 7))}), tmp_path / "rows.arrow")
    seed, given = tiny.save_model(tmp_path / "seed"), rewards(Scores("a", early_letters))
    job = Job(config.model_copy(update=few_steps), seed, rows, tmp_path / "out", 3, rewards=given)
    log = [row.metrics for row in METHODS["rloo"](job).log]
    price = 0.01
    for step in log:
        assert step["kl_coefficient"] == pytest.approx(price, rel=1e-9)
        error = step["kl"] * step["completions/mean_length"] / 0.5 - 1
        price *= 1 + min(max(error, -0.2), 0.2) * rl.k / 1000
    assert len({step["kl_coefficient"] for step in log}) == 3


def test_rlaif_vs_best_checkpoint_is_the_candidate(round_of: RoundOf, tmp_path: Path) -> None:
    made = round_of("rlaif-v")
    rows = few(made, tmp_path, 4)
    sizes = {"batch_size": 2, "schedule": "constant", "warmup_ratio": 0.0}

    def trained(steps: int, **more: Any) -> Any:
        config: TrainConfig = made.recipe.train.model_copy(
            update={**sizes, "max_steps": steps, **more.pop("train", {})}
        )
        return METHODS["dpo"](Job(config, SEED_DIR, rows, tmp_path / f"{steps}", 3, **more))

    report = trained(2, validation=Looked(0.1, 0.9, 0.2))
    assert (report.steps, report.best_step) == (2, 1)
    trained(1, train={"checkpoints": CheckpointsConfig()})
    assert digests(tmp_path / "2") == digests(tmp_path / "1")
