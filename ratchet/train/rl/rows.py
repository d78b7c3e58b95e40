"""Prompts as rows of reinforcement learning: what is asked, and all that the verifiers need to judge an answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ratchet.recipe import Recipe
from ratchet.records import Group
from ratchet.turns import question

Row = dict[str, Any]


def rl_rows(groups: Iterable[Group], _recipe: Recipe) -> list[Row]:
    """One row per prompt of the groups that are for RL, by prompt id.

    `asked` is the whole prompt as JSON: its reference, its verifiers, its pictures' hashes.
    """
    prompts = {group.prompt.id: group.prompt for group in groups if "rl" in group.uses}
    return [{**question(prompt), "asked": prompt.model_dump_json()} for _, prompt in sorted(prompts.items())]
