"""GRPO and RLOO on a tiny random model, for a few steps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from ratchet.errors import RecipeError, TrainError
from ratchet.recipe import LoraConfig, TrainConfig
from ratchet.recipe.training.names import GRPO_LOSSES
from ratchet.train import METHODS, Job, TrainReport
from ratchet.train.methods import check
from tests.unit.train.rl.conftest import Scores, early_letters, rewards

JobOf = Callable[..., Job]


def config(method: str = "grpo", **changes: Any) -> TrainConfig:
    rl = {"k": 4, "max_new_tokens": 3, **changes.pop("rl", {})}
    given = {"max_steps": 2, "batch_size": 8, "learning_rate": 1e-3, "warmup_ratio": 0.0, **changes}
    return TrainConfig.model_validate({"method": method, "rl": rl, **given})


def trained(job: Job) -> TrainReport:
    return METHODS[job.config.method](job)


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_the_policy_comes_to_say_what_is_rewarded(method: str, job_of: JobOf) -> None:
    report = trained(
        job_of(config(method, max_steps=12, batch_size=16, learning_rate=3e-3), rewards(Scores("a", early_letters)))
    )
    reward = [row.metrics["reward"] for row in report.log]
    assert sum(reward[-3:]) > sum(reward[:3]) + 0.4
    assert report.visits == 12 * 16 // 4
    assert report.rows == 8


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_each_step_is_logged_with_what_reinforcement_has_to_say(method: str, job_of: JobOf) -> None:
    report = trained(job_of(config(method, rl={"kl": {"coefficient": 0.1}}), rewards(Scores("a", early_letters))))
    for row in report.log:
        assert {"reward", "verifier/a", "kl", "entropy", "clip_ratio/region_mean"} <= set(row.metrics)
        assert {"completions/mean_length", "completions/clipped_ratio", "groups/zero_variance"} <= set(row.metrics)
        assert row.metrics["verifier/a"] == pytest.approx(row.metrics["reward"])
        assert row.metrics["kl_coefficient"] == 0.1


def test_the_same_seed_gives_the_same_model(job_of: JobOf) -> None:
    found = []
    for out in ("first", "again"):
        job = job_of(config(), rewards(Scores("a", early_letters)), out=out)
        found.append((trained(job).log, hashlib.sha256((job.out_dir / "model.safetensors").read_bytes()).hexdigest()))
    assert found[0][1] == found[1][1]
    clocks = {"step_time"}
    metrics = [[{k: v for k, v in row.metrics.items() if k not in clocks} for row in log] for log, _ in found]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize("loss", GRPO_LOSSES)
def test_every_loss_takes_a_step(loss: str, job_of: JobOf) -> None:
    rl = {"clip_high": 5.0} if loss == "cispo" else {}
    report = trained(job_of(config(loss=loss, max_steps=1, rl=rl), rewards(Scores("a", early_letters))))
    assert (report.log[0].grad_norm or 0) > 0


def test_lora_learns_with_the_bare_model_as_reference(job_of: JobOf) -> None:
    given = config(lora=LoraConfig(rank=2), learning_rate=1e-2, rl={"kl": {"coefficient": 0.1}})
    report = trained(job_of(given, rewards(Scores("a", early_letters))))
    assert report.log[0].metrics["kl"] == pytest.approx(0, abs=1e-5)
    assert report.log[1].metrics["kl"] > 0


def test_a_step_that_no_one_could_judge_changes_nothing_and_training_goes_on(
    job_of: JobOf, caplog: pytest.LogCaptureFixture
) -> None:
    calls = [0]

    def first_not(_prompt: Any, text: str) -> float | None:
        calls[0] += 1
        return None if calls[0] <= 8 else float(text[:1] < "n")

    report = trained(job_of(config(max_steps=3), rewards(Scores("a", first_not))))
    assert (report.log[0].grad_norm, report.log[0].metrics["groups/unscored"]) == (0.0, 1.0)
    assert "reward" not in report.log[0].metrics
    assert report.log[2].metrics["groups/unscored"] == 0.0
    assert "reward functions" not in caplog.text, "the curve says so, without a row of each batch"


def test_all_alike_is_zero_variance_and_has_no_gradient(job_of: JobOf) -> None:
    with pytest.raises(TrainError, match="weights equal the seed's"):
        trained(job_of(config(max_steps=1), rewards(Scores("a", lambda *_: 1.0))))


def test_a_verifier_that_crashes_stops_training(job_of: JobOf) -> None:
    def crash(*_: Any) -> float:
        raise ZeroDivisionError("broken")

    job = job_of(config(), rewards(Scores("bad", crash)))
    with pytest.raises(TrainError, match=r"8 of a step's 8 verdicts broke.*verifier bad \(8\).*ZeroDivisionError"):
        trained(job)
    assert not job.out_dir.exists()


def test_a_loss_that_is_no_number_stops(job_of: JobOf) -> None:
    broken = config(max_steps=4, learning_rate=1e30, trl={"max_grad_norm": 0.0})
    with pytest.raises(TrainError, match=r"loss is (nan|inf)|failed in TRL"):
        trained(job_of(broken, rewards(Scores("a", early_letters))))


def test_one_skill_and_few_prompts(job_of: JobOf) -> None:
    with pytest.raises(TrainError, match="2 prompts, but one step of grpo takes 4"):
        trained(job_of(config(batch_size=16), rewards(Scores("a", early_letters)), n=2))


def test_rewards_are_closed_whatever_happens(job_of: JobOf) -> None:
    closed = []
    given = rewards(Scores("a", early_letters))
    given.closing = lambda: closed.append(True)
    trained(job_of(config(max_steps=1), given))
    with pytest.raises(TrainError):
        trained(job_of(config(batch_size=64), given, n=2, out="other"))
    assert closed == [True, True]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "cispo"}, "cispo reads train.rl.clip_high as the largest ratio"),
        ({"loss": "sapo", "rl": {"clip_high": 0.3}}, "sapo clips nothing"),
        ({"method": "rloo", "rl": {"scale": "group"}}, "scale group is GRPO's"),
        ({"trl": {"num_generations": 3}}, "would override train.rl.k"),
        ({"trl": {"train_sampling_strategy": "sequential"}}, "says nothing to grpo.*use train.curriculum"),
        ({"trl": {"use_vllm": True}}, "would override train.rl.rollouts"),
    ],
)
def test_wrong_options_are_told_before_any_model_is_loaded(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        check(config(changes.pop("method", "grpo"), **changes))


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_vllm_is_refused_where_there_is_no_gpu(mode: str, job_of: JobOf) -> None:
    given = config(rl={"rollouts": mode})
    check(given)
    with pytest.raises(TrainError, match=f"rollouts is {mode}, but there is no GPU here"):
        trained(job_of(given, rewards(Scores("a", early_letters))))
