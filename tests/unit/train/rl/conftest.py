"""A job of reinforcement learning on a handful of prompts, with rewards that a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import ImageBank
from ratchet.recipe import Recipe, TrainConfig, VerifyConfig
from ratchet.records import Group, Prompt, Sampling, Verdict
from ratchet.train import Job
from ratchet.train.rl.rewards import Rewards
from ratchet.train.rows import ROWS, joined
from ratchet.verify.panel import Panel

SAMPLING = Sampling(strategy="grpo", seed=1, temperature=1.0, max_new_tokens=1)
Score = Callable[[Prompt, str], float | None]


class Scores:
    """A verifier from a function of (prompt, text); what it raises is its own affair."""

    version = "1"

    def __init__(self, name: str, score: Score) -> None:
        self.name, self.score = name, score
        self.seen: list[Group] = []

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        self.seen.extend(groups)
        return [[self._verdict(self.score(g.prompt, c.text)) for c in g.completions] for g in groups]

    def self_check(self, prompt: Prompt) -> str | None:
        return None

    def _verdict(self, score: float | None) -> Verdict:
        passed = None if score is None else score >= 0.5
        return Verdict(verifier=self.name, version="1", score=score, passed=passed, reason="test")


def rewards(*verifiers: Scores, **config: Any) -> Rewards:
    names = tuple(one.name for one in verifiers)
    return Rewards(Panel(names, {one.name: one for one in verifiers}), VerifyConfig(**config), SAMPLING)  # type: ignore[arg-type]


def early_letters(_prompt: Prompt, text: str) -> float:
    """A reward that any model can raise: for answers whose first letter is before n."""
    return float(text[:1] < "n")


@pytest.fixture
def job_of(bank: ImageBank, groups: Sequence[Group], seed_dir: Path, tmp_path: Path) -> Callable[..., Job]:
    def make(config: TrainConfig, given: Rewards, n: int = 8, out: str = "out") -> Job:
        chosen = [group.model_copy(update={"uses": ("rl",)}) for group in groups[:n]]
        rows = ROWS[config.method](chosen, Recipe(name="rl"))
        return Job(config, seed_dir, joined(rows, bank, tmp_path / f"{out}.arrow"), tmp_path / out, 3, rewards=given)

    return make
