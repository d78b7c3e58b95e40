"""Names that TRL and transformers give to losses and schedules: a wrong one is told when a recipe is read, where neither is installed.

TRL finds out about a wrong loss at the first step only, after generate, verify and filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ratchet.recipe.naming import meant
from ratchet.recipe.training.preference import KTO_LOSSES, OWN_LOSSES, TRL_LOSSES

if TYPE_CHECKING:
    from ratchet.recipe.train import TrainConfig

GRPO_LOSSES = ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo")
LOSSES_OF: Mapping[str, tuple[str, ...]] = {
    "dpo": (*TRL_LOSSES, *OWN_LOSSES),
    "kto": KTO_LOSSES,
    "grpo": GRPO_LOSSES,
}
"""The losses that a recipe can choose; the other methods have one."""
SCHEDULES = (
    *("linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"),
    *("cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay"),
)
"""transformers' schedules of the learning rate, but for those of `STEERED`."""
STEERED = ("reduce_lr_on_plateau", "greedy")
"""Schedules that follow an evaluation in the middle of training, which there is none of."""


def check_schedule(name: str) -> str:
    """Raise ValueError for a schedule that there is not, or that cannot be followed here."""
    if name in STEERED:
        raise ValueError(
            f"the schedule {name} follows an evaluation within training, and there is none; use one of: {', '.join(SCHEDULES)}"
        )
    if name not in SCHEDULES:
        raise ValueError(f"there is no schedule {name!r}{meant(name, SCHEDULES)} There are: {', '.join(SCHEDULES)}")
    return name


def check_loss_names(train: TrainConfig) -> None:
    """Raise ValueError for a loss that the method has not, and for more or fewer than it takes."""
    known = LOSSES_OF.get(train.method)
    if known is None:
        return
    wrong = [name for name in train.losses if name not in known]
    if wrong:
        raise ValueError(
            f"train.loss {wrong[0]} is no loss of {train.method}{meant(wrong[0], known)} There are: {', '.join(known)}"
        )
    if not train.losses or (len(train.losses) > 1 and train.method != "dpo"):
        count = "one or more" if train.method == "dpo" else "one"
        raise ValueError(
            f"train.loss names {', '.join(train.losses) or 'nothing'}, but {train.method} takes {count} of: {', '.join(known)}"
        )
