"""The study's configurations: one base, and what each of the others changes of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

HARD = ("count", "exist", "locate", "compare", "relation", "pair")
"""Skills in which the seed is furthest from right (README of the seed)."""


@dataclass(frozen=True)
class Config:
    """One way to spend the budget. `prompts` x `k` completions a step; `lr` falls with the budget's clock.

    `filtered`: prompts are those that the seed answers right sometimes but not always, found with 4 samples each, whose
    seconds count. `dense`: the verifier's score; else 1 for a right answer. `rft_first` is the share of the budget that
    rounds of verified self-training take before.
    """

    name: str
    method: Literal["grpo", "rft", "labels"] = "grpo"
    k: int = 8
    prompts: int = 48
    lr: float = 1e-4
    schedule: Literal["constant", "cosine"] = "cosine"
    loss: str = "dapo"
    scale: str = "group"
    clip_high: float = 0.2
    iterations: int = 1
    temperature: float = 1.0
    kl: float = 0.0
    sft_weight: float = 0.0
    dense: bool = False
    filtered: bool = True
    skills: tuple[str, ...] | None = None
    frozen_vision: bool = False
    rft_first: float = 0.0

    @property
    def changes(self) -> str:
        """What differs from the base, in words."""
        base, own = asdict(Config("")), asdict(self)
        found = {name: value for name, value in own.items() if name != "name" and value != base[name]}
        return ", ".join(f"{name} {_shown(value)}" for name, value in found.items()) or "the base"


def _shown(value: Any) -> str:
    return "hard" if value == HARD else f"{value:g}" if isinstance(value, float) else str(value)


BASE = Config("base")


def _with(name: str, **changes: Any) -> Config:
    return replace(BASE, name=name, **changes)


GRID: tuple[Config, ...] = (
    BASE,
    _with("lr3", lr=3e-4),
    _with("small_steps", prompts=16),
    _with("unfiltered", filtered=False, lr=3e-4),
    _with("sft_term", sft_weight=0.1, lr=3e-4),
    _with("dr", loss="dr_grpo", scale="none", lr=3e-4),
    _with("k16", k=16, prompts=24, lr=3e-4),
    _with("after_rft", rft_first=0.5),
    _with("hard_only", skills=HARD, lr=3e-4),
    _with("clip_higher", clip_high=0.28, iterations=2, lr=3e-4),
    _with("sft_term1", sft_weight=1.0, lr=3e-4),
    _with("dense", dense=True, lr=3e-4),
    _with("kl", kl=0.02, lr=3e-4),
    _with("lr6", lr=6e-4),
    _with("k32", k=32, prompts=16, lr=3e-4),
    _with("iterations4", iterations=4, lr=3e-4),
    _with("frozen_vision", frozen_vision=True, lr=3e-4),
)
CONTROLS: tuple[Config, ...] = (
    _with("rft", method="rft", lr=5e-4),
    _with("labels", method="labels", lr=5e-4),
)
BY_NAME = {config.name: config for config in (*GRID, *CONTROLS)}
