"""One run: a configuration, a random seed and a budget, from the seed to a line of results."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet.tinyworld import measure
from ratchet.tinyworld.grpo.clock import Clock
from ratchet.tinyworld.grpo.configs import Config
from ratchet.tinyworld.seed import load
from ratchet.tinyworld.world import SKILLS, items
from ratchet.train.report import ends

LOOKS = 6


@dataclass(frozen=True)
class Sizes:
    """How many items are measured: `watched` of validation along the way, `asked` of `split` at the end; 0: none."""

    split: str = "report"
    asked: int = 500 * len(SKILLS)
    watched: int = 100 * len(SKILLS)
    split_seed: int = 0


@dataclass
class Watcher:
    """Measures the model on validation whenever another part of the budget is spent."""

    processor: Any
    clock: Clock
    count: int
    curve: list[tuple[float, float]] = field(default_factory=list)
    steps: int = 0

    def __call__(self, model: Any) -> None:
        self.steps += 1
        if self.count and self.clock.share * LOOKS >= len(self.curve):
            self.look(model)

    def look(self, model: Any) -> None:
        asked = list(items("validation", self.count, 1))
        was = model.training
        right = measure.accuracy(measure.marks(model, self.processor, asked))
        model.train(was)
        self.curve.append((round(self.clock.spent, 1), round(right, 2)))


def one(config: Config, seed: int, seconds: float, sizes: Sizes, kept: Path) -> dict[str, Any]:
    """Train from the shipped seed and measure; everything a line of the table needs."""
    import torch

    from ratchet.tinyworld.grpo import training

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model, processor = load()
    wall = time.monotonic()
    clock = Clock(seconds)
    watch = Watcher(processor, clock, sizes.watched)
    if sizes.watched:
        with clock.paused():
            watch.look(model)
    logs: list[dict[str, float]] = []
    rows = 0
    if config.method == "labels":
        rows = training.labels(model, processor, config, seed, clock, watch)
    elif config.method == "rft":
        rows = training.rft(model, processor, config, seed, clock, watch)
    else:
        if config.rft_first:
            rows = training.rft(model, processor, config, seed, clock, watch, config.rft_first)
        logs = training.grpo(model, processor, config, seed, clock, watch, kept)
    spent = clock.spent
    marked = measure.marks(model, processor, list(items(sizes.split, sizes.asked, sizes.split_seed)))
    return {
        "name": config.name,
        "seed": seed,
        "seconds": seconds,
        "split": sizes.split,
        "asked": sizes.asked,
        "spent": round(spent, 1),
        "wall": round(time.monotonic() - wall),
        "steps": watch.steps,
        "rows": rows,
        "right": "".join(str(int(marked[key])) for key in sorted(marked)),
        "sampled": _ends(logs, "reward"),
        "zero_variance": _ends(logs, "frac_reward_zero_std"),
        "entropy": _ends(logs, "entropy"),
        "rewards": [round(log["reward"], 4) for log in logs],
        "curve": watch.curve,
    }


def _ends(logs: list[dict[str, float]], name: str) -> tuple[float, float] | None:
    """Mean of the first and of the last tenth."""
    if not logs:
        return None
    first, last = ends([log[name] for log in logs])
    return round(first, 4), round(last, 4)


def baseline(sizes: Sizes) -> dict[str, Any]:
    """The seed itself, on the same items."""
    model, processor = load()
    marked = measure.marks(model, processor, list(items(sizes.split, sizes.asked, sizes.split_seed)))
    return {
        "name": "seed",
        "seed": 0,
        "seconds": 0,
        "split": sizes.split,
        "asked": sizes.asked,
        "right": "".join(str(int(marked[key])) for key in sorted(marked)),
    }
