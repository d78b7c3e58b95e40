"""GRPO and RLOO on tiny random models of other architectures, whose completions come from `model.generate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratchet.recipe import TrainConfig
from ratchet.train import METHODS, Job
from tests import architectures
from tests.unit.train.rl.conftest import Scores, early_letters, rewards

JobOf = Callable[..., Job]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("architectures")
    return {name: architectures.save(name, root / name) for name in ("llava", "gemma3")}


@pytest.mark.parametrize("lora", [None, {"rank": 2, "alpha": 8}], ids=["full", "lora"])
@pytest.mark.parametrize("method", ["grpo", "rloo"])
@pytest.mark.parametrize("name", ["llava", "gemma3"])
def test_other_architectures_learn_from_rewards(
    name: str, method: str, lora: Any, job_of: JobOf, seeds: dict[str, Path]
) -> None:
    """Among the prompts are some with two pictures."""
    rl = {"k": 4, "max_new_tokens": 3, "kl": {"coefficient": 0.05}}
    config = TrainConfig.model_validate(
        {"method": method, "max_steps": 3, "batch_size": 24, "learning_rate": 1e-3, "rl": rl, "lora": lora}
    )
    scores = Scores("a", early_letters)
    report = METHODS[method](replace(job_of(config, rewards(scores), n=6), seed_dir=seeds[name]))
    assert {len(group.prompt.images) for group in scores.seen} == {1, 2}
    assert len({one.text for group in scores.seen for one in group.completions}) > 10
    assert any((row.grad_norm or 0) > 0 for row in report.log)
    assert report.visits == 18
