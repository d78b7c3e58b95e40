"""Where a training runs. Today: in the stage's own process."""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.train.methods import METHODS, Trainer

LAUNCHERS: Mapping[str, Mapping[str, Trainer]] = {"inprocess": METHODS}
"""A launcher offers every method in the one shape of `Trainer`, wherever it runs them."""
