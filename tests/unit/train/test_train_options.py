"""The recipe's options become TRL's configuration, or an error that names the option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet.errors import RecipeError
from ratchet.recipe import TrainConfig
from ratchet.train import Job, check, dpo, sft


def test_our_options_reach_sft(tmp_path: Path) -> None:
    config = TrainConfig(epochs=2.5, batch_size=7, learning_rate=3e-4, schedule="cosine", warmup_ratio=0.1)
    made = sft.arguments(config, tmp_path, seed=5)
    assert (made.num_train_epochs, made.max_steps, made.per_device_train_batch_size) == (2.5, -1, 7)
    assert (made.learning_rate, made.lr_scheduler_type, made.warmup_steps) == (3e-4, "cosine", 0.1)
    assert (made.seed, made.data_seed, made.max_length, made.report_to) == (5, 5, None, [])


def test_max_steps_and_dpo_options_reach_trl(tmp_path: Path) -> None:
    config = TrainConfig(
        method="dpo", max_steps=9, beta=0.3, loss=("sigmoid", "bco_pair", "sft"), loss_weights=(0.8, 0.2, 1)
    )
    made = dpo.arguments(config, tmp_path, seed=5)
    assert (made.max_steps, made.beta) == (9, 0.3)
    assert (made.loss_type, made.loss_weights) == (["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0])


def test_a_cpu_computes_in_float32_without_checkpointing(tmp_path: Path) -> None:
    made = sft.arguments(TrainConfig(), tmp_path, seed=0)
    if made.use_cpu:
        assert (made.bf16, made.gradient_checkpointing, made.device.type) == (False, False, "cpu")


def test_other_options_pass_through(tmp_path: Path) -> None:
    made = sft.arguments(TrainConfig(trl={"weight_decay": 0.1, "loss_type": "dft", "adam_beta2": 0.9}), tmp_path, 0)
    assert (made.weight_decay, made.loss_type, made.adam_beta2) == (0.1, "dft", 0.9)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"trl": {"weight_dekay": 0.1}}, r"weight_dekay is no option of SFTConfig; did you mean weight_decay"),
        ({"trl": {"num_train_epochs": 4}}, r"train\.trl\.num_train_epochs would override train\.epochs"),
        ({"trl": {"seed": 4}}, "the round's salt"),
        ({"trl": {"save_steps": 4}}, r"train\.trl\.save_steps is decided by the train stage"),
        ({"trl": {"max_length": 64}}, r"train\.trl\.max_length is decided by the train stage"),
        ({"trl": {"push_to_hub": True}}, "push_to_hub is decided"),
        ({"trl": {"weight_decay": "1e-4"}}, r"the text '1e-4', but a number is needed .* write 1\.0e-4"),
        ({"trl": {"optim": "adamwow"}}, "SFTConfig refuses .*adamwow"),
        ({"method": "dpo", "trl": {"beta": 0.2}}, r"train\.trl\.beta would override train\.beta"),
        ({"trl": {"gradient_accumulation_steps": 0}}, r"gradient_accumulation_steps is 0, .* give 1 or more"),
        ({"trl": {"gradient_accumulation_steps": -2}}, r"gradient_accumulation_steps is -2, .* give 1 or more"),
        ({"trl": {"weight_decay": float("nan")}}, r"train\.trl\.weight_decay is nan"),
        (
            {"method": "dpo", "loss": ("robust",), "trl": {"label_smoothing": 0.5}},
            r"label_smoothing 0\.5: the loss robust divides .* below \.5",
        ),
        ({"method": "sft", "trl": {"packing": True}}, "packing puts several rows into one sequence, which TRL refuses"),
        ({"method": "dpo", "trl": {"padding_free": True}}, "padding_free puts several rows into one sequence"),
    ],
)
def test_a_wrong_option_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check(TrainConfig(**config))


def test_wrong_options_stop_before_the_model_is_looked_at(tmp_path: Path) -> None:
    config = TrainConfig(trl={"nonsense": 1})
    with pytest.raises(RecipeError, match="nonsense"):
        sft.train(Job(config, tmp_path / "no-model", None, tmp_path / "out", 0))
