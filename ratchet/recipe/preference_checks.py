"""What of preference learning must fit the stages before it."""

from __future__ import annotations

from ratchet.recipe.filtering import FilterConfig
from ratchet.recipe.generate import GenerateConfig
from ratchet.recipe.train import TrainConfig


def check_preference(generate: GenerateConfig, filtering: FilterConfig, train: TrainConfig) -> None:
    """Raise ValueError for preference data that the stages before do not make."""
    if train.method != "dpo" or filtering.pairs is None:
        return
    inputs = any(getattr(one, "use", "answer") == "input" for one in generate.negatives)
    if filtering.pairs.images and not inputs:
        raise ValueError(
            "filter.pairs.images is true, but no negative has `use: input`, so there are no pairs of inputs; add one to "
            "generate.negatives, or set images to false (train.pictures.bad makes bad pictures without pairs)"
        )
    if train.pictures is not None and train.pictures.content and not _captioned(generate):
        raise ValueError(
            "train.pictures.content learns the captions of strategy captioned, but generate.strategy is "
            f"{', '.join(one.name for one in generate.strategy)}; use captioned, or set content to 0"
        )


def _captioned(generate: GenerateConfig) -> bool:
    return any(one.name == "captioned" for one in generate.strategy)
