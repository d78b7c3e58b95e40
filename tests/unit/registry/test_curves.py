"""A training's log as curves."""

from __future__ import annotations

import pytest

from ratchet.registry.curves import MOST, curves_of
from ratchet.train.report import LogRow


def row(step: int, **values: float) -> LogRow:
    grad = values.pop("grad_norm", None)
    return LogRow(step=step, epoch=0.1, loss=1 / step, learning_rate=0.5, grad_norm=grad, tokens=step, metrics=values)


def test_each_value_is_a_curve_over_the_steps_that_have_it() -> None:
    found = curves_of([row(1, grad_norm=2.0), row(2, reward=0.25), row(3, reward=0.75)])
    assert found == {
        "train/loss": [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))],
        "train/learning_rate": [(1, 0.5), (2, 0.5), (3, 0.5)],
        "train/grad_norm": [(1, 2.0)],
        "train/reward": [(2, 0.25), (3, 0.75)],
    }


def test_long_curves_are_means_over_stretches() -> None:
    (loss, _) = curves_of(row(step) for step in range(1, 2 * MOST + 1)).values()
    assert len(loss) == MOST
    assert loss[0] == (2, pytest.approx((1 + 1 / 2) / 2))
    assert loss[-1][0] == 2 * MOST
