"""What a round's training was: the method, from where it began, what it saw how often, and its curves. For the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.artifacts import Artifact, Manifest
from ratchet.records import Record
from ratchet.store import Store
from ratchet.train.report import TRAIN_LOG, Seen, curve

METRICS = {
    "reward": "Reward",
    "kl": "KL to the reference, nats",
    "entropy": "Entropy, nats a token",
    "frac_reward_zero_std": "Share of groups whose rewards are alike",
    "completions/mean_length": "Tokens a completion",
    "completions/clipped_ratio": "Share of completions that were cut",
    "clip_ratio/region_mean": "Share of clipped ratios",
    "rewards/margins": "Margin of chosen over rejected",
    "rewards/accuracies": "Share of pairs in the right order",
    "mean_token_accuracy": "Share of tokens foreseen",
}
"""Metrics of TRL's trainers that are drawn, where a training has them."""
MOST = 40
"""Points of a curve."""


class TrainingView(Record):
    """`start` is seed or base; `rows` and `visits` count rows (pairs); `skills` and `bands` (of pass rate) are empty in rounds older
    than them. `curves` are means over stretches of steps, by metric."""

    method: str
    start: str
    rows: int
    visits: int
    steps: int
    replayed: int = 0
    left_out: int = 0
    skills: dict[str, Seen] = {}
    bands: dict[str, Seen] = {}
    curves: dict[str, tuple[tuple[int, float], ...]] = {}


def training_of(store: Store, trained: Manifest | None) -> TrainingView | None:
    """From the manifest of train and its log; None where there is none yet."""
    return None if trained is None else training_view(store, trained)


def training_view(store: Store, trained: Manifest) -> TrainingView:
    """From the manifest of train and its log."""
    report: Mapping[str, Any] = trained.results["report"]
    log = list(Artifact.open(store, trained.uri, TRAIN_LOG).rows())
    found = {name: [(row.step, row.metrics[name]) for row in log if name in row.metrics] for name in METRICS}
    config = trained.config.get("train", trained.config)
    return TrainingView(
        method=report["method"],
        start=str(config.get("start", "seed")),
        rows=report["rows"],
        visits=report["visits"],
        steps=report["steps"],
        curves={name: tuple(curve(points, MOST)) for name, points in found.items() if len(points) > 1},
        **(report.get("intake") or {}),
    )
