"""Where a second round of SFT begins, and in which order it learns, on the tiny world: the arms of `make study-sft`.

    python -m ratchet.tinyworld.sft_study

Round 1 is rejection-sampling fine-tuning of the shipped seed. Round 2 asks the model of round 1 fresh prompts and trains on its right
answers: going on from that model, from the seed again (ReST-EM), with easy rows first, or with rare skills more often. All arms of
round 2 have the same rows and the same number of visits. Items are paired between arms and pooled over runs.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet.recipe import TrainConfig
from ratchet.recipe.training.curriculum import CurriculumConfig
from ratchet.tinyworld import measure
from ratchet.tinyworld.oracle import is_right
from ratchet.tinyworld.seed import SEED_DIR, load
from ratchet.tinyworld.study import sft_row
from ratchet.tinyworld.world import SKILLS, items
from ratchet.train import METHODS, Job
from ratchet.train.curriculum import Facts, RowOrder

log = logging.getLogger(__name__)

CONTINUE = "round 2, continue"
ARMS: dict[str, tuple[bool, CurriculumConfig]] = {
    CONTINUE: (True, CurriculumConfig()),
    "round 2, from the base": (False, CurriculumConfig()),
    "round 2, continue, easy_first": (True, CurriculumConfig(order="easy_first")),
    "round 2, continue, balance skill": (True, CurriculumConfig(balance="skill", balance_power=1.0)),
}
"""Whether an arm goes on from the model of round 1, and its curriculum."""


@dataclass(frozen=True)
class StudyConfig:
    """Sizes: prompts a round, samples a prompt, items that are asked, and runs that differ in seed and prompts."""

    pool: int = 2700
    k: int = 8
    asked: int = 300 * len(SKILLS)
    runs: int = 2
    split: str = "validation"
    train: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=2, learning_rate=5e-4))


Marks = dict[tuple[int, str, int], bool]


class Study:
    """Marks of every arm by (run, skill, item); `tell` is called after each run."""

    def __init__(self, config: StudyConfig, folder: Path) -> None:
        self.config, self._folder = config, folder
        self.marks: dict[str, Marks] = {}
        self.rows: dict[str, list[int]] = {}

    def run(self, tell: Callable[[str], None]) -> None:
        for number in range(self.config.runs):
            self._one(number)
            tell(self.table())

    def _one(self, number: int) -> None:
        self._mark("seed", number, SEED_DIR, 0)
        first = self._train("round 1", number, SEED_DIR, *self._collect(SEED_DIR, number, 1), CurriculumConfig())
        rows, facts = self._collect(first, number, 2)
        for name, (onward, curriculum) in ARMS.items():
            self._train(name, number, first if onward else SEED_DIR, rows, facts, curriculum)

    def _collect(self, model_dir: Path, number: int, of_round: int) -> tuple[list[dict[str, Any]], list[Facts]]:
        """One right answer a prompt, with the share of the samples that were right."""
        import torch

        torch.manual_seed(10 * number + of_round)
        model, processor = load(model_dir)
        fresh = list(items("pool", self.config.pool, 1000 + 10 * number + of_round))
        rows, facts = [], []
        for item, texts in measure.answers(model, processor, fresh, k=self.config.k):
            right = [text for text in texts if is_right(item, text)]
            if right:
                rows.append(sft_row(item, right[0]))
                facts.append(Facts(str(item.index), item.skill, len(right) / len(texts), len(item.pictures)))
        return rows, facts

    def _train(
        self, name: str, number: int, start: Path, rows: list[Any], facts: list[Facts], curriculum: CurriculumConfig
    ) -> Path:
        from datasets import Dataset

        out = self._folder / f"{name}-{number}".replace(" ", "-").replace(",", "")
        order = RowOrder(tuple(facts), number, curriculum)
        METHODS["sft"](Job(self.config.train, start, Dataset.from_list(rows), out, number, order=order))
        self._mark(name, number, out, len(rows))
        return out

    def _mark(self, name: str, number: int, model_dir: Path, rows: int) -> None:
        model, processor = load(model_dir)
        asked = list(items(self.config.split, self.config.asked, 0))
        found = measure.marks(model, processor, asked)
        self.marks.setdefault(name, {}).update({(number, *key): right for key, right in found.items()})
        self.rows.setdefault(name, []).append(rows)
        log.info("run %d, %s: %.1f of %d rows", number, name, measure.accuracy(found), rows)

    def table(self) -> str:
        """The arms as markdown, with gains over the seed and, for round 2, over going on as it is."""
        head = ["arm", "rows", "accuracy", "gain over the seed", "against " + CONTINUE, *SKILLS]
        lines = [head, ["---"] * len(head)]
        for name, marked in self.marks.items():
            alone = {(f"{run} {skill}", index): right for (run, skill, index), right in marked.items()}
            skills = [_share([right for (_, one, _), right in marked.items() if one == skill]) for skill in SKILLS]
            rows = sum(self.rows[name]) / len(self.rows[name])
            against = self._gain(name, CONTINUE) if name in ARMS and name != CONTINUE else ""
            lines.append(
                [name, f"{rows:.0f}", _share(list(alone.values())), self._gain(name, "seed"), against, *skills]
            )
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _gain(self, name: str, other: str) -> str:
        def pairs(marked: Marks) -> measure.Marks:
            return {(f"{run} {skill}", index): right for (run, skill, index), right in marked.items()}

        gain, half = measure.paired_gain(pairs(self.marks[name]), pairs(self.marks[other]))
        return f"{gain:+.1f} +- {half:.1f}"


def _share(marked: list[bool]) -> str:
    return f"{100 * sum(marked) / len(marked):.1f}"


def main(argv: list[str] | None = None) -> None:
    """Run the study from the command line."""
    given = argparse.ArgumentParser(
        prog="python -m ratchet.tinyworld.sft_study", description=(__doc__ or "").split("\n")[0]
    )
    given.add_argument("--pool", type=int, default=StudyConfig.pool, help="fresh prompts per round")
    given.add_argument("--asked", type=int, default=StudyConfig.asked, help="items to measure on")
    given.add_argument("--runs", type=int, default=StudyConfig.runs)
    given.add_argument("--split", default=StudyConfig.split, choices=("validation", "holdout", "report"))
    chosen = given.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    log.setLevel(logging.INFO)
    config = StudyConfig(pool=chosen.pool, asked=chosen.asked, runs=chosen.runs, split=chosen.split)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        study = Study(config, Path(folder))
        study.run(lambda table: log.info("%s", table))
        sys.stdout.write(f"{config.split}, {config.asked} items, {config.runs} runs\n\n{study.table()}\n")
    log.info("%.0f CPU-seconds", time.process_time() - started)


if __name__ == "__main__":
    main()
