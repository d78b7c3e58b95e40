"""The arithmetic of the report."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ratchet.train.report import curve, ends, visits


@pytest.mark.parametrize(
    ("rows", "batch", "accumulate", "steps", "expected"),
    [
        (60, 16, 1, 4, 60),
        (60, 16, 1, 3, 48),
        (60, 16, 1, 24, 360),
        (60, 16, 1, 6, 92),
        (60, 16, 2, 2, 60),
        (60, 16, 2, 3, 92),
        (10, 16, 4, 5, 50),
    ],
)
def test_visits_count_the_rows_that_steps_saw(
    rows: int, batch: int, accumulate: int, steps: int, expected: int
) -> None:
    assert visits(rows, batch, accumulate, steps) == expected


def test_visits_leave_out_the_small_batch_that_is_dropped() -> None:
    assert visits(60, 16, 1, 6, drop_last=True) == 96


def test_a_curve_has_few_points_and_the_same_mean() -> None:
    points = [(step, float(step)) for step in range(1, 101)]
    made = curve(points)
    assert len(made) == 20
    assert made[0] == (5, 3.0)
    assert made[-1] == (100, 98.0)


def test_a_short_curve_has_a_point_a_step() -> None:
    assert curve([(1, 2.0), (2, 1.0)]) == [(1, 2.0), (2, 1.0)]


def test_first_and_last_loss_are_means_over_a_tenth() -> None:
    assert ends([4.0, 2.0, *[1.0] * 16, 0.5, 0.3]) == (3.0, 0.4)
    assert ends([4.0]) == (4.0, 4.0)


def test_importing_the_package_loads_no_torch() -> None:
    code = (
        "import sys, ratchet.train, ratchet.train.rows, ratchet.train.stage; "
        "print([m for m in ('torch', 'transformers', 'trl', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
