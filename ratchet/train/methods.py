"""The methods by name. All have one shape; their modules, and torch with them, are imported at the first call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ratchet.errors import RecipeError
from ratchet.progress import Progress, silent
from ratchet.recipe import TrainConfig
from ratchet.train.report import TrainReport

if TYPE_CHECKING:
    from datasets import Dataset


class Trainer(Protocol):
    """Train the model in `seed_dir` on `rows` and save it to `out_dir`, a folder that does not exist yet or is empty.

    Nothing is saved unless training ended well: RecipeError for options that TRL refuses (before any model is loaded),
    ModelError for a seed that cannot be loaded, TrainError for rows that cannot be trained on, a loss that is not
    finite, too little memory, or weights that came out broken or unchanged.
    """

    def __call__(
        self,
        config: TrainConfig,
        seed_dir: Path,
        rows: Dataset,
        out_dir: Path,
        *,
        seed: int,
        progress: Progress = silent,
    ) -> TrainReport: ...


@dataclass(frozen=True)
class _Late:
    """A trainer whose module is imported when it is called."""

    module: str

    def __call__(
        self,
        config: TrainConfig,
        seed_dir: Path,
        rows: Dataset,
        out_dir: Path,
        *,
        seed: int,
        progress: Progress = silent,
    ) -> TrainReport:
        train: Trainer = import_module(self.module).train
        return train(config, seed_dir, rows, out_dir, seed=seed, progress=progress)

    def check(self, config: TrainConfig) -> None:
        import_module(self.module).arguments(config, Path("unused"), seed=0)


_LATE: Mapping[str, _Late] = {"sft": _Late("ratchet.train.sft"), "dpo": _Late("ratchet.train.dpo")}
METHODS: Mapping[str, Trainer] = _LATE


def check(config: TrainConfig) -> None:
    """Construct TRL's configuration and throw it away. Raises RecipeError naming the option that is wrong."""
    method = _LATE.get(config.method)
    if method is None:
        raise RecipeError(f"train.method {config.method!r} is not known; use one of {', '.join(METHODS)}.")
    method.check(config)
