"""Preference learning on unpaired verdicts, with TRL's KTOTrainer: KTO (Ethayarajh et al. 2024, arXiv 2402.01306).

Right answers are desirable, wrong ones undesirable. Where one kind is rarer, its weight is raised until both weigh the same in
all: (weight x number) of right and of wrong answers are equal, within the paper's range of ratios, 1 to 4/3.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trl import KTOConfig, KTOTrainer

from ratchet.errors import RecipeError, TrainError
from ratchet.recipe import TrainConfig
from ratchet.train import options, session
from ratchet.train.job import Job
from ratchet.train.preference.rows import check_labels
from ratchet.train.report import TrainReport
from ratchet.train.together import world

TEXTS = ("prompt", "completion")
WEIGHTS = ("desirable_weight", "undesirable_weight")


def arguments(config: TrainConfig, folder: Path, seed: int) -> KTOConfig:
    """TRL's configuration. Raises RecipeError, also for batches of one row."""
    if config.losses[0] == "kto" and world().share(config.batch_size) < 2:
        raise RecipeError(
            f"train.batch_size {config.batch_size} leaves nothing to estimate KTO's divergence from: it reads each answer beside another "
            f"row's prompt in a process's own batch, and this is one of {world().size}; set {2 * world().size} or more."
        )
    extra = {"beta": ("train.beta", config.anchor), "loss_type": ("train.loss", config.losses[0])}
    return options.build(KTOConfig, config, folder, seed, extra)


def train(job: Job) -> TrainReport:
    """See `ratchet.train.job.Trainer`. The rows have the columns images, prompt, completion and label."""
    if len(job.rows) and "label" not in job.rows.column_names:
        raise TrainError(
            f"the rows lack the column label; they have {', '.join(job.rows.column_names)}. Run the filter stage again."
        )
    return session.run(job, arguments, TEXTS, _trainer)


def weights_of(right: int, wrong: int) -> tuple[float, float]:
    """(desirable_weight, undesirable_weight): 1 for the more frequent kind, for the other as much as it is rarer."""
    return max(1.0, wrong / right), max(1.0, right / wrong)


def _trainer(job: Job, model: Any, _processor: Any, common: dict[str, Any]) -> KTOTrainer:
    if not any(name in job.config.trl for name in WEIGHTS):
        found = weights_of(*check_labels(job.rows["label"]))
        for name, weight in zip(WEIGHTS, found, strict=True):
            setattr(common["args"], name, weight)
    trainer = KTOTrainer(model=model, ref_model=None if job.config.lora else copy.deepcopy(model), **common)
    if trainer.calculate_KL:
        trainer.data_collator = Mismatched(trainer.data_collator, job.rows)
    return trainer


class Mismatched:
    """TRL's collator, which pairs each prompt with the answer of the row before it in its batch, but a row alone in a batch (an
    epoch's last) with its own. Here that prompt gets the first answer among `rows` that is another.
    """

    def __init__(self, collate: Any, rows: Any) -> None:
        self.collate, self.rows = collate, rows

    def __call__(self, examples: Sequence[Any]) -> Any:
        # TRL's writes into the rows that it is given.
        made = self.collate([dict(one) for one in examples])
        if len(examples) == 1:
            pair = self.collate([dict(examples[0]), dict(self._other(examples[0]))])
            # These are of text alone: pictures are those of the row itself.
            made.update({name: value[:1] for name, value in pair.items() if name.startswith("KL_")})
        return made

    def _other(self, one: Any) -> Any:
        answers = self.rows["completion"]
        place = next((place for place, said in enumerate(answers) if said != one["completion"]), None)
        if place is None:
            raise TrainError(
                f"all {len(self.rows)} rows have the same answer, so KTO has no other answer to estimate its divergence from; sample "
                "more in generate, or set train.loss apo_zero_unpaired."
            )
        return self.rows[place]
