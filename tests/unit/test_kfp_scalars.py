"""Which of a stage's results become metrics."""

from __future__ import annotations

import pytest

from ratchet.kfp_io import scalars


@pytest.mark.parametrize(
    ("results", "shown"),
    [
        ({}, {}),
        ({"loss": 0.5, "steps": 3}, {"loss": 0.5, "steps": 3.0}),
        ({"ok": True, "name": "x", "none": None, "list": [1, 2]}, {}),
        ({"a": {"b": {"c": 1}}}, {"a/b/c": 1.0}),
        ({"a": {"b": {"c": {"d": 1}}, "e": 2}}, {"a/e": 2.0}),
    ],
)
def test_numbers_are_flattened_three_deep_and_nothing_else_is_a_metric(results: dict, shown: dict) -> None:
    assert scalars(results) == shown
