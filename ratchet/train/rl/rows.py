"""Prompts as rows of reinforcement learning: what is asked, and all that the verifiers need to judge an answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ratchet.errors import TrainError
from ratchet.recipe import Recipe
from ratchet.recipe.verifiers import OWN
from ratchet.records import Group
from ratchet.turns import question

Row = dict[str, Any]


def rl_rows(groups: Iterable[Group], recipe: Recipe) -> list[Row]:
    """One row per prompt of the groups that are for RL, by prompt id.

    `asked` is the whole prompt as JSON: its reference, its verifiers, its pictures' hashes. Raises TrainError for a reward of
    `train.rl.rewards` that looked at no answer of these groups: which verifiers the prompts name is known only now.
    """
    prompts, looked = {}, set()
    for group in groups:
        if "rl" in group.uses:
            prompts[group.prompt.id] = group.prompt
            looked |= {verdict.verifier for one in group.completions for verdict in one.verdicts}
    _check_rewards(recipe, looked)
    return [{**question(prompt), "asked": prompt.model_dump_json()} for _, prompt in sorted(prompts.items())]


def _check_rewards(recipe: Recipe, looked: set[str]) -> None:
    weights = recipe.train.reinforcement.rewards or {}
    never = sorted(name for name in weights if looked and name not in {*looked, OWN})
    if never:
        raise TrainError(
            f"train.rl.rewards weighs {', '.join(never)}, which looked at no answer of this round; its verdicts are of "
            f"{', '.join(sorted(looked))}. Name one of these, or add it to verify.verifiers."
        )
