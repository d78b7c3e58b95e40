"""All that a training is given, and the one shape of every method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ratchet.artifacts.manifest import ModelRef
from ratchet.model_files import Hashes
from ratchet.progress import Progress, silent
from ratchet.recipe import TrainConfig
from ratchet.train.report import TrainReport

if TYPE_CHECKING:
    from datasets import Dataset

    from ratchet.train.checkpoints import Checkpoints
    from ratchet.train.curriculum import RowOrder
    from ratchet.train.rl.rewards import Rewards

Validation = Callable[[Any, Any], float]
"""From (model, processor) to a score of the policy on validation prompts: higher is better."""


@dataclass(frozen=True)
class Job:
    """Train the model in `seed_dir` on `rows` and save it to `out_dir`, a folder that does not exist yet or is empty.

    `order` says which rows an epoch sees, and when; None: all, as TRL shuffles them.
    `checkpoints` is where a training that was killed goes on from; `validation` chooses among checkpoints; `rewards` are
    what RL optimises. Where several processes train together each has a Job of its own, and only the first saves.
    `seed` is a number; `model` the store's name for what lies in `seed_dir`, which an adapter is saved with; None: as it was fetched.
    `dry`: take the longest rows' step twice, and raise Rehearsed in place of saving; it is the number of processes that will
    share each batch, of which this one takes its own part. `hashes` has those of what was saved, for whoever sends it.
    """

    config: TrainConfig
    seed_dir: Path
    rows: Dataset
    out_dir: Path
    seed: int
    progress: Progress = silent
    order: RowOrder | None = None
    checkpoints: Checkpoints | None = None
    validation: Validation | None = None
    rewards: Rewards | None = None
    model: ModelRef | None = None
    dry: int = 0
    hashes: Hashes = field(default_factory=Hashes)


class Trainer(Protocol):
    """A method of training.

    Nothing is saved unless training ended well: RecipeError for options that TRL refuses (before any model is loaded),
    ModelError for a seed that cannot be loaded, TrainError for rows that cannot be trained on, a loss that is not
    finite, too little memory, or weights that came out broken or unchanged.
    """

    def __call__(self, job: Job) -> TrainReport: ...
