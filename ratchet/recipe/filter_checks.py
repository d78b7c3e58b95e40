"""What of the filter must fit the rest of a recipe."""

from __future__ import annotations

from ratchet.recipe.filtering import FilterConfig
from ratchet.recipe.organise import VerifyConfig
from ratchet.recipe.train import TrainConfig
from ratchet.recipe.verifiers import OWN

NEEDED = {"sft": "sft", "dpo": "preference", "grpo": "rl", "rloo": "rl"}
"""The use of groups that each method learns from; kto takes every verdict of the groups that are kept."""


def check_filter(filtering: FilterConfig, verify: VerifyConfig, train: TrainConfig) -> None:
    """Raise ValueError for options of the filter that another stage's make senseless."""
    needed = NEEDED.get(train.method)
    if needed is not None and filtering.uses is not None and needed not in filtering.uses:
        raise ValueError(
            f"train.method {train.method} learns from groups for {needed}, but filter.uses keeps {', '.join(filtering.uses)}; "
            f"add {needed}"
        )
    if train.method == "dpo":
        _check_pairs_for_dpo(filtering)
    if filtering.pairs is not None and filtering.pairs.repair is not None:
        _check_repair(filtering.pairs.repair.by, verify)


def _check_pairs_for_dpo(filtering: FilterConfig) -> None:
    if filtering.pairs is None:
        raise ValueError("train.method dpo learns from pairs, but filter.pairs is null; set filter.pairs")


def _check_repair(by: str, verify: VerifyConfig) -> None:
    called = {one.called for one in verify.chosen}
    if by == OWN:
        raise ValueError(
            f"filter.pairs.repair.by {OWN} stands for several verifiers; name one of them, as its verdicts call it"
        )
    if by not in called and verify.verifiers is not None and OWN not in called:
        raise ValueError(
            f"filter.pairs.repair.by {by!r} is none of verify.verifiers ({', '.join(sorted(called))}); add it there"
        )
