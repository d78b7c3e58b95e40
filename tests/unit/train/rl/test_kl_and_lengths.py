"""The steering of the divergence, and lengths that grow, against values worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from ratchet.recipe.training.reinforcement import KlConfig, LengthStage, ReinforcementConfig
from ratchet.train.rl.kl import AdaptiveKl, steered
from ratchet.train.rl.lengths import Lengths, length_at

STAGES = (LengthStage(start=0, max_new_tokens=4), LengthStage(start=0.5, max_new_tokens=16))


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (6.0, 0.1),  # on target
        (6.6, 0.1 * (1 + 0.1 * 256 / 10_000)),  # a tenth above
        (5.4, 0.1 * (1 - 0.1 * 256 / 10_000)),
        (60.0, 0.1 * (1 + 0.2 * 256 / 10_000)),  # clipped
        (0.0, 0.1 * (1 - 0.2 * 256 / 10_000)),
    ],
)
def test_the_coefficient_follows_the_divergence(kl: float, expected: float) -> None:
    config = KlConfig(coefficient=0.1, target=6.0, horizon=10_000)
    assert steered(0.1, kl, 256, config) == pytest.approx(expected, rel=1e-12)
    assert steered(0.1, kl, 256, KlConfig(coefficient=0.1)) == 0.1


def test_a_horizon_without_a_target_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"kl\.horizon 50 does nothing without a target"):
        KlConfig(coefficient=0.1, horizon=50)


def test_it_is_put_on_the_trainer_told_and_kept() -> None:
    trainer, logs = SimpleNamespace(beta=0.1), {"kl": 0.5, "completions/mean_length": 4.0}
    one = AdaptiveKl(KlConfig(coefficient=0.1, target=1.0, horizon=100), completions=10)
    one.trainer = trainer
    one.on_log(None, None, None, logs)
    assert (logs["kl_per_completion"], logs["kl_coefficient"]) == (2.0, 0.1)
    assert trainer.beta == pytest.approx(0.1 * (1 + 0.2 * 10 / 100))
    again = AdaptiveKl(one.config, 10)
    again.trainer = SimpleNamespace(beta=0.1)
    again.regain(one.kept())
    assert again.trainer.beta == trainer.beta
    one.on_log(None, None, None, {"loss": 1.0})
    assert one.coefficient == trainer.beta


@pytest.mark.parametrize(("share", "expected"), [(0.0, 4), (0.49, 4), (0.5, 16), (0.99, 16)])
def test_the_length_goes_by_the_share_of_steps(share: float, expected: int) -> None:
    assert length_at(share, STAGES) == expected


@pytest.mark.parametrize("vllm", [False, True])
def test_the_length_is_set_wherever_it_is_read(vllm: bool) -> None:
    one = Lengths(STAGES)
    one.trainer = SimpleNamespace(
        use_vllm=vllm,
        max_completion_length=0,
        generation_kwargs={},
        generation_config=SimpleNamespace(max_new_tokens=0),
        vllm_generation=SimpleNamespace(max_completion_length=0),
    )
    one.on_step_begin(None, SimpleNamespace(global_step=6, max_steps=10), None)
    found = one.trainer
    assert found.max_completion_length == 16
    here = found.vllm_generation.max_completion_length if vllm else found.generation_config.max_new_tokens
    assert here == 16


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kl": {"target": 1.0}}, "set kl.coefficient above 0"),
        ({"lengths": [{"start": 0.1, "max_new_tokens": 4}]}, "let the first stage start at 0"),
        ({"lengths": [{"start": 0, "max_new_tokens": 4}] * 2}, "put the stages in order"),
        ({"lengths": [{"start": 0, "max_new_tokens": 4}], "max_new_tokens": 8}, "both say how long"),
        ({"rewards": {"a": 0.0}}, "at least one weight above 0"),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ReinforcementConfig.model_validate(given)
