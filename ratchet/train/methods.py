"""The methods by name. All have one shape; their modules, and torch with them, are imported at the first call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ratchet.errors import RecipeError
from ratchet.recipe import TrainConfig
from ratchet.train.job import Job, Trainer
from ratchet.train.report import TrainReport


@dataclass(frozen=True)
class _Late:
    """A trainer whose module is imported when it is called."""

    module: str

    def __call__(self, job: Job) -> TrainReport:
        train: Trainer = import_module(self.module).train
        return train(job)

    def check(self, config: TrainConfig) -> None:
        import_module(self.module).arguments(config, Path("unused"), seed=0)


_LATE: Mapping[str, _Late] = {
    "sft": _Late("ratchet.train.sft"),
    "dpo": _Late("ratchet.train.dpo"),
    "grpo": _Late("ratchet.train.rl.grpo"),
    "rloo": _Late("ratchet.train.rl.rloo"),
    "kto": _Late("ratchet.train.kto"),
}
METHODS: Mapping[str, Trainer] = _LATE


def check(config: TrainConfig) -> None:
    """Construct TRL's configuration and throw it away. Raises RecipeError naming the option that is wrong."""
    method = _LATE.get(config.method)
    if method is None:
        raise RecipeError(f"train.method {config.method!r} is not known; use one of {', '.join(METHODS)}.")
    method.check(config)
