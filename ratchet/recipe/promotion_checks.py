"""What of the gate's policy must fit how models are measured: told before a round costs anything."""

from __future__ import annotations

from ratchet.recipe.evaluating import EvaluateConfig
from ratchet.recipe.promoting import PromoteConfig
from ratchet.recipe.prompts import PromptsConfig

TINYWORLD = "tinyworld"


def check_promotion(promote: PromoteConfig, evaluate: EvaluateConfig, prompts: PromptsConfig) -> None:
    """Raise ValueError for a policy by which no round could ever promote."""
    _check_suites(promote, evaluate)
    skill = promote.primary.skill
    if (
        skill is not None
        and promote.primary.suite is None
        and prompts.skills is not None
        and skill not in prompts.skills
    ):
        raise ValueError(
            f"promote.primary.skill is {skill!r}, but prompts.skills has {', '.join(prompts.skills)} only; name one of these, "
            "or add it"
        )
    if prompts.source == TINYWORLD and promote.primary.suite is None:
        _check_size(promote, prompts.holdout)


def _check_suites(promote: PromoteConfig, evaluate: EvaluateConfig) -> None:
    known = {one.name for one in evaluate.suites}
    asked = {"promote.primary.suite": promote.primary.suite} if promote.primary.suite else {}
    asked |= {f"promote.guards.suites.{name}": name for name in promote.guards.suites}
    for field, name in asked.items():
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise ValueError(f"{field} reads suite {name}, but evaluate.suites has {there}; add it there, or remove it")


def _check_size(promote: PromoteConfig, holdout: int) -> None:
    """Of items that are drawn their number is known."""
    each = holdout // promote.holdout.folds
    if each >= promote.min_items:
        return
    folds = f" in {promote.holdout.folds} folds" if promote.holdout.folds > 1 else ""
    raise ValueError(
        f"prompts.holdout {holdout}{folds} is below promote.min_items {promote.min_items}, so no round could promote; draw a "
        "larger holdout, have fewer folds, or lower promote.min_items"
    )
