"""Numbers that nothing can be learned with are refused when the recipe is read."""

from __future__ import annotations

import pytest

from ratchet import recipe
from ratchet.errors import RecipeError
from ratchet.recipe import TrainConfig
from ratchet.recipe.training.preference import PictureTermsConfig


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ("learning_rate: .inf", "train.learning_rate"),
        ("epochs: .inf", "train.epochs"),
        ("warmup_ratio: .nan", "train.warmup_ratio"),
        ("method: dpo, loss: [sigmoid], loss_weights: [.nan]", "train.loss_weights"),
        ("method: dpo, pictures: {noised: .inf}", "train.pictures.noised"),
        ("method: rloo, rl: {sft_weight: .inf}", "train.rl.sft_weight"),
        ("method: rloo, rl: {kl: {coefficient: .inf}}", "train.rl.kl.coefficient"),
        ("method: rloo, rl: {rewards: {prompt: .inf}}", "train.rl.rewards.prompt"),
        ("method: grpo, rl: {lengths: [{start: .nan, max_new_tokens: 4}]}", "train.rl.lengths"),
        ("method: sft, curriculum: {balance_power: .nan}", "train.curriculum.balance_power"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_by_its_name(train: str, said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        recipe.load(f"{{name: a, train: {{{train}}}}}")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"loss": ("sigmoid",), "loss_weights": (-1.0,)}, "loss_weights has -1,"),
        ({"loss": ("sigmoid", "simpo"), "loss_weights": (1.0, -1.0)}, "loss_weights has -1,"),
        ({"loss": ("sigmoid",), "loss_weights": (0.0,)}, "loss_weights are all 0"),
        ({"loss": ("sigmoid", "sigmoid")}, "names sigmoid more than once"),
    ],
)
def test_weights_that_learn_nothing_or_the_reverse_and_a_loss_named_twice_are_refused(
    train: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        TrainConfig.model_validate({"method": "dpo", **train})


def test_a_loss_may_weigh_nothing_beside_another_or_beside_a_term_of_the_picture() -> None:
    assert TrainConfig(method="dpo", loss=("sigmoid", "sft"), loss_weights=(0.0, 1.0)).weights == (0.0, 1.0)
    terms = PictureTermsConfig(noised=1.0)
    assert TrainConfig(method="dpo", loss=("sigmoid",), loss_weights=(0.0,), pictures=terms).weights == (0.0,)


def test_the_lower_clip_is_a_share_below_one_and_the_upper_may_be_a_ratio() -> None:
    with pytest.raises(ValueError, match="clip_low"):
        TrainConfig.model_validate({"method": "grpo", "rl": {"clip_low": 1.5}})
    given = TrainConfig.model_validate({"method": "grpo", "loss": "cispo", "rl": {"clip_high": 5.0}})
    assert given.reinforcement.clip_high == 5.0
