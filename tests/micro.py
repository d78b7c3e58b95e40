"""A micro-round: the real stages on a handful of prompts, seconds in all. Used wherever a test needs a whole round."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratchet import recipe
from ratchet.recipe import Recipe
from ratchet.settings import Settings

MICRO = """
name: micro
seed: 7
prompts: {pool: 27, validation: 9, holdout: 45, report: 18}
generate: {k: 2, max_new_tokens: 12, rows_per_file: 9, batch_size: 64}
filter: {min_pass_rate: 0.0}
verify: {policy: none}
train: {max_steps: 3, batch_size: 8}
evaluate: {max_new_tokens: 12, pass_at_k: {k: 2, prompts: 9}}
promote: {min_items: 9}
"""


def micro_recipe() -> Recipe:
    return recipe.load(MICRO)


def settings_in(folder: Path) -> Settings:
    """A folder store and a registry of JSON objects in it."""
    return Settings(root=str(folder / "store"), registry="store")


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
