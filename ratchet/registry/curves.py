"""How a training went, step by step, as curves for the registry's pages."""

from __future__ import annotations

from collections.abc import Iterable

from ratchet.artifacts import Artifact, Manifest
from ratchet.registry.base import Curve
from ratchet.store import Store
from ratchet.train.report import TRAIN_LOG, LogRow, curve

MOST = 500
"""Points of a curve; of more steps, means over stretches."""


def train_curves(store: Store, trained: Manifest) -> dict[str, Curve]:
    """The curves of a train stage's log: loss, learning rate, norm of the gradient, and the method's own."""
    return curves_of(Artifact.open(store, trained.uri, TRAIN_LOG).rows())


def curves_of(log: Iterable[LogRow]) -> dict[str, Curve]:
    """Curves by name, each thinned to at most MOST points. A step that has no value of a name is not in its curve."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in log:
        values = {"loss": row.loss, "learning_rate": row.learning_rate, "grad_norm": row.grad_norm, **row.metrics}
        for name, value in values.items():
            if value is not None:
                found.setdefault(f"train/{name}", []).append((row.step, value))
    return {name: curve(points, MOST) for name, points in found.items()}
