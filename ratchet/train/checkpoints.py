"""Where a training's checkpoints are kept."""

from __future__ import annotations


class Checkpoints:
    """The checkpoints of one training, in the store."""
