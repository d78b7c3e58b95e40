"""The order of a curriculum reaches reinforcement: which prompts the verifiers of real trainings saw, step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ratchet.recipe import TrainConfig
from ratchet.recipe.training.curriculum import CurriculumConfig
from ratchet.records import Group
from ratchet.train import METHODS, Job
from ratchet.train.curriculum import Facts, RowOrder
from ratchet.train.rl.rewards import prompt_of_json
from tests.unit.train.rl.conftest import Scores, early_letters, rewards

JobOf = Callable[..., Job]
PROMPTS, PER_STEP = 7, 2
EASY = CurriculumConfig(order="easy_first", bands=3)
# One prompt is over in every epoch; six are three steps.
CASES: dict[str, dict[str, Any]] = {
    "grpo": {},
    "grpo-balanced": {"curriculum": CurriculumConfig(balance="skill", balance_power=1.0)},
    "grpo-passes": {"rl": {"iterations": 2}, "max_steps": 9},
    "grpo-accumulated": {"batch_size": 4, "trl": {"gradient_accumulation_steps": 2}},
    "rloo": {"method": "rloo"},
}


def config(method: str = "grpo", **changes: Any) -> TrainConfig:
    rl = {"k": 4, "max_new_tokens": 2, **changes.pop("rl", {})}
    given = {"max_steps": 5, "batch_size": 8, "learning_rate": 1e-3, "curriculum": EASY, **changes}
    return TrainConfig.model_validate({"method": method, "rl": rl, **given})


def drawn(job: Job, order: RowOrder, passes: int) -> list[list[str]]:
    """The prompts of each batch of completions that the order lays down."""
    asked = [prompt_of_json(text).id for text in job.rows["asked"]]
    found: list[list[str]] = []
    epoch = 0
    while len(found) * passes < (job.config.max_steps or 0):
        rows = order.epoch(epoch, PER_STEP)
        found += [[asked[row] for row in rows[at : at + PER_STEP]] for at in range(0, len(rows), PER_STEP)]
        epoch += 1
    return found[: -(-(job.config.max_steps or 0) // passes)]


@pytest.mark.parametrize("case", CASES)
def test_every_step_asks_the_prompts_of_the_order_and_the_intake_counts_them(case: str, job_of: JobOf) -> None:
    given, scores = config(**CASES[case]), Scores("a", early_letters)
    job = job_of(given, rewards(scores), n=PROMPTS)
    asked = [prompt_of_json(text) for text in job.rows["asked"]]
    facts = tuple(Facts(one.id, one.skill, (i * 3 % 7) / 7, len(one.images)) for i, one in enumerate(asked))
    order = RowOrder(facts, 5, given.curriculum)
    report = METHODS[given.method](replace(job, order=order))
    expected = drawn(job, order, given.reinforcement.iterations)
    assert [one.prompt.id for one in scores.seen] == [name for step in expected for name in step]
    skill = {one.id: one.skill for one in asked}
    assert report.intake is not None
    assert {name: one.visits for name, one in report.intake.skills.items() if one.visits} == Counter(
        skill[group.prompt.id] for group in scores.seen
    )
    if given.reinforcement.iterations == 1:
        assert report.visits == len(scores.seen)


def test_a_group_is_k_answers_to_one_prompt(job_of: JobOf) -> None:
    scores = Scores("a", early_letters)
    METHODS["grpo"](job_of(config(max_steps=2, curriculum=None), rewards(scores)))

    def answers(group: Group) -> int:
        return len(group.completions)

    assert [answers(group) for group in scores.seen] == [4] * 4
