"""What a suite must say of itself."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.evaluate.suites import Mark, Suite, suite

POPE = suite("pope")


def made(**changed: Any) -> Suite:
    settings: dict[str, Any] = {
        "name": "made", "title": "Made", "family": "spatial", "measures": "-", "paper": "-", "needs": "-", "format": "-",
        "primary": "accuracy", "metrics": POPE.metrics, "mark": lambda item, answer: Mark(0.0),
    }  # fmt: skip
    return Suite(**{**settings, **changed})


def test_a_suite_either_reads_files_or_draws_its_questions() -> None:
    assert made(load=POPE.load)
    assert made(draw=lambda drawing: iter(()), sizes=(64,))
    with pytest.raises(ValueError, match="either load, for files, or draw"):
        made()
    with pytest.raises(ValueError, match="either load, for files, or draw"):
        made(load=POPE.load, draw=lambda drawing: iter(()), sizes=(64,))
    with pytest.raises(ValueError, match="sizes are what draw can draw"):
        made(draw=lambda drawing: iter(()))
