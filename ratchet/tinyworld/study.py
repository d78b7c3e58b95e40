"""Is the seed saturated? One round of verified self-training against more passes over the seed's own labels.

    python -m ratchet.tinyworld.study

Both arms use TRL's SFTTrainer with the same settings. The study prints a markdown table: if the labels again gave as
much as the round did, the round would have shown nothing but unfinished training.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.tinyworld import measure
from ratchet.tinyworld.oracle import is_right
from ratchet.tinyworld.seed import SEED_DIR, load, seed_labels
from ratchet.tinyworld.world import SKILLS, Item, items

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyConfig:
    """Sizes of the study: those of the recipe rft. Gains are measured on each of `splits`: tune on validation, quote another."""

    splits: tuple[str, ...] = ("validation",)
    split_seed: int = 0
    asked: int = 500 * len(SKILLS)
    pool: int = 7200
    pool_seed: int = 0
    k: int = 8
    rft_epochs: int = 2
    rounds: int = 1
    label_epochs: tuple[int, ...] = (4, 8)
    lr: float = 5e-4
    batch: int = 32
    seed: int = 0


@dataclass(frozen=True)
class Arm:
    """One line of the table: how many rows were visited, what came of it, and the paired gain over the seed."""

    name: str
    visits: int
    marked: measure.Marks
    gain: float
    half_width: float

    @property
    def cells(self) -> list[str]:
        """The line's cells."""
        skills = [f"{measure.accuracy(self.marked, skill):.1f}" for skill in SKILLS]
        total = f"{measure.accuracy(self.marked):.1f}"
        return [self.name, str(self.visits), total, f"{self.gain:+.1f} +- {self.half_width:.1f}", *skills]


def sft_row(item: Item, answer: str) -> dict[str, Any]:
    """A training row in TRL's shape: string content, pictures beside it."""
    return {
        "images": list(item.pictures),
        "prompt": [{"role": "user", "content": item.question}],
        "completion": [{"role": "assistant", "content": answer}],
    }


def fine_tune(
    model: Any,
    processor: Any,
    trained: list[dict[str, Any]],
    epochs: int,
    config: StudyConfig,
    callbacks: Sequence[Any] = (),
    optimisers: Any = (None, None),
) -> None:
    """Full fine-tuning in place, in float32 on the CPU. `optimisers`: (optimiser, schedule) in place of the Trainer's own."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    with tempfile.TemporaryDirectory() as folder:
        options = SFTConfig(
            output_dir=folder,
            learning_rate=config.lr,
            per_device_train_batch_size=config.batch,
            num_train_epochs=epochs,
            seed=config.seed,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            max_length=None,
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        # TRL reports to stdout at the end; stdout is for the table.
        with contextlib.redirect_stdout(sys.stderr):
            trainer = SFTTrainer(
                model,
                options,
                train_dataset=Dataset.from_list(trained),
                processing_class=processor,
                callbacks=list(callbacks),
                optimizers=optimisers,
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()


def verified(model: Any, processor: Any, drawn: Iterable[Item], k: int) -> Iterator[dict[str, Any]]:
    """One right completion per prompt, where any of `k` samples is right."""
    for item, texts in measure.answers(model, processor, list(drawn), k=k):
        right = next((text for text in texts if is_right(item, text)), None)
        if right is not None:
            yield sft_row(item, right)


def saturation_study(config: StudyConfig = StudyConfig(), seed_dir: Path = SEED_DIR) -> dict[str, list[Arm]]:
    """For each split: the seed, `rounds` of verified self-training, and the labels again for each number of epochs."""
    import torch

    model, processor = load(seed_dir)
    arms: dict[str, list[Arm]] = {split: [] for split in config.splits}

    def arm(name: str, visits: int, tuned: Any) -> None:
        for split, done in arms.items():
            marked = measure.marks(tuned, processor, list(items(split, config.asked, config.split_seed)))
            done.append(Arm(name, visits, marked, *measure.paired_gain(marked, done[0].marked if done else marked)))
            log.info("%s: %s", split, done[-1].cells)

    arm("seed", 0, model)

    visits = 0
    for number in range(config.rounds):
        torch.manual_seed(config.seed + number)
        fresh = items("pool", config.pool, config.pool_seed + number)
        kept = list(verified(model, processor, fresh, config.k))
        fine_tune(model, processor, kept, config.rft_epochs, config)
        visits += len(kept) * config.rft_epochs
        arm(f"verified self-training, round {number + 1} (kept {len(kept)} of {config.pool})", visits, model)
    for epochs in config.label_epochs:
        again = [sft_row(item, item.answer) for item in seed_labels(seed_dir)]
        model, processor = load(seed_dir)
        fine_tune(model, processor, again, epochs, config)
        arm(f"labels again, {epochs} epochs", len(again) * epochs, model)
    return arms


def table(arms: list[Arm]) -> str:
    """The arms as markdown."""
    head = ["arm", "row visits", "accuracy", "gain", *SKILLS]
    lines = [head, ["---"] * len(head), *(arm.cells for arm in arms)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(argv: list[str] | None = None) -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(prog="python -m ratchet.tinyworld.study", description=__doc__.split("\n")[0])
    parser.add_argument("--seed-dir", type=Path, default=SEED_DIR)
    parser.add_argument(
        "--splits", default=list(StudyConfig.splits), nargs="*", choices=("validation", "holdout", "report")
    )
    parser.add_argument("--asked", type=int, default=StudyConfig.asked, help="items to measure on")
    parser.add_argument("--pool", type=int, default=StudyConfig.pool, help="fresh prompts per round")
    parser.add_argument("--rounds", type=int, default=StudyConfig.rounds)
    parser.add_argument("--label-epochs", type=int, nargs="*", default=list(StudyConfig.label_epochs))
    parser.add_argument("--lr", type=float, default=StudyConfig.lr, help="learning rate of both arms")
    parser.add_argument("--rft-epochs", type=int, default=StudyConfig.rft_epochs)
    parser.add_argument("--seed", type=int, default=StudyConfig.seed, help="of sampling and shuffling")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config = StudyConfig(
        splits=tuple(given.splits),
        asked=given.asked,
        pool=given.pool,
        rounds=given.rounds,
        label_epochs=tuple(given.label_epochs),
        lr=given.lr,
        rft_epochs=given.rft_epochs,
        seed=given.seed,
    )
    started = time.monotonic()
    arms = saturation_study(config, given.seed_dir)
    log.info("%.0f s", time.monotonic() - started)
    for split, done in arms.items():
        sys.stdout.write(f"{split}, {config.asked} items\n\n{table(done)}\n\n")


if __name__ == "__main__":
    main()
