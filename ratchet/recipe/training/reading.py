"""Keys of train that the method does not read: refused, because one that does nothing is a mistake that nothing would tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ratchet.recipe.train import TrainConfig

WITHOUT_BETA = frozenset({"sft", "stic"})
"""DPO losses that compare with no reference model and scale nothing."""
ABOVE_ONLY = frozenset({"cispo"})
"""GRPO losses that clip the ratio from above alone."""
UNCLIPPED = frozenset({"sapo", "vespo"})
"""GRPO losses that weigh the ratio in place of clipping it."""
_HAVE_BETA, _HAVE_LOSSES = ("dpo", "kto"), ("dpo", "kto", "grpo")


def check_read(train: TrainConfig) -> None:
    """Raise ValueError for a key that is given and not read."""
    _check_beta(train)
    _check_losses(train)
    _check_clip(train)


def _check_beta(train: TrainConfig) -> None:
    if train.beta is None:
        return
    if train.method not in _HAVE_BETA:
        step = "remove it" if train.method == "sft" else "set train.rl.kl.coefficient, and remove beta"
        raise ValueError(
            f"train.beta {train.beta:g} is the strength of the anchor of {' and '.join(_HAVE_BETA)}, but train.method is "
            f"{train.method}, which does not read it; {step}"
        )
    terms = train.pictures is not None and train.pictures.needs_reference
    if train.method == "dpo" and set(train.losses) <= WITHOUT_BETA and not terms:
        raise ValueError(
            f"train.beta {train.beta:g} is not read by train.method dpo with the losses {', '.join(train.losses)}; remove it, or "
            "add a loss that has an anchor, such as sigmoid"
        )


def _check_losses(train: TrainConfig) -> None:
    if train.loss is not None and train.method not in _HAVE_LOSSES:
        raise ValueError(
            f"train.loss {', '.join(train.loss)} chooses among losses of {', '.join(_HAVE_LOSSES)}, but train.method is "
            f"{train.method}, which has one loss only; remove it"
        )
    if train.loss_weights is not None and train.method != "dpo":
        raise ValueError(
            f"train.loss_weights weigh the losses of dpo, but train.method is {train.method}, which has one loss; remove them"
        )


def _check_clip(train: TrainConfig) -> None:
    low = train.reinforcement.clip_low
    if low is None or train.method != "grpo":
        return
    named = ", ".join(sorted(set(train.losses) & (ABOVE_ONLY | UNCLIPPED)))
    if named:
        step = "it clips from above alone, by clip_high" if named in ABOVE_ONLY else "it clips nothing"
        raise ValueError(f"train.rl.clip_low {low:g} is not read by the loss {named} of grpo: {step}; remove clip_low")


def forgiven(train: Mapping[str, Any]) -> dict[str, Any]:
    """What an older ratchet stored of train, without the defaults that it wrote for methods that do not read them."""
    older = {"beta": 0.1} if train.get("method") not in _HAVE_BETA else {}
    listed = {"loss": ["sigmoid", "sft"]} if train.get("method") not in _HAVE_LOSSES else {}
    written: dict[str, Any] = {**older, **listed}
    return {key: value for key, value in train.items() if key not in written or value != written[key]}
