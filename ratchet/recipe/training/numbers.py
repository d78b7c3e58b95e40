"""Numbers that nothing can be learned with, refused when a recipe is read: a training finds out after generate, verify and filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ConfigDict

from ratchet.records import Record

if TYPE_CHECKING:
    from ratchet.recipe.train import TrainConfig


class Finite(Record):
    """Base of what is configured of a training: its numbers are finite. YAML can write .inf and .nan."""

    model_config = ConfigDict(allow_inf_nan=False)


def check_losses(train: TrainConfig) -> None:
    """Raise ValueError for a loss named twice, and for weights that turn a loss round or leave none."""
    named = list(train.losses)
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ValueError(
            f"train.loss names {', '.join(twice)} more than once; name each once, and weigh it by train.loss_weights"
        )
    given = train.loss_weights
    if given is None:
        return
    below = [f"{weight:g}" for weight in given if weight < 0]
    if below:
        raise ValueError(
            f"train.loss_weights has {', '.join(below)}, which would make a loss larger in place of smaller; give 0 or more"
        )
    if train.pictures is None and not any(given):
        raise ValueError(
            "train.loss_weights are all 0, so nothing would be learned; give one above 0, or remove loss_weights for 1 each"
        )
