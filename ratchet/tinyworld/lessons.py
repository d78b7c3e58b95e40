"""A short further training of the shipped seed on lessons of one's own: what asker and drawer are made and measured with."""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ratchet.tinyworld import rows, seed_model
from ratchet.tinyworld.seed import load, optimiser, seed_labels
from ratchet.tinyworld.world import Item

log = logging.getLogger(__name__)


class Course(Protocol):
    """`visits` rows in all, in batches; the learning rate rises over `warm_up` steps and falls to nothing.

    `asked` is how many validation items the model is measured on afterwards.
    """

    @property
    def visits(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def batch(self) -> int: ...
    @property
    def warm_up(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def asked(self) -> int: ...


C = TypeVar("C", bound=Course)


def teach(model: Any, processor: Any, lessons: Sequence[Item], course: Course) -> None:
    """Train in place, in float32, on the lessons and so many rows of the seed's own labels as are left of the visits.

    A plain loop with one fall of the learning rate, like the seed's own.
    """
    import torch

    replay = list(seed_labels())
    random.Random(course.seed).shuffle(replay)
    part = rows.rows_of(processor, [*lessons, *replay[: course.visits - len(lessons)]])
    stream = rows.batches(part, course.batch, torch.Generator().manual_seed(course.seed))
    steps = course.visits // course.batch
    adam = optimiser(model, course.lr)
    model.train()
    for step in range(steps):
        share = min((step + 1) / course.warm_up, 1.0) * max(0.05, 1 - step / steps)
        for group in adam.param_groups:
            group["lr"] = course.lr * share
        loss = model(**rows.batch_of(part, next(stream), processor.tokenizer.pad_token_id)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        if step % 100 == 99:
            log.info("step %d of %d, loss %.3f", step + 1, steps, loss.item())
    model.eval()


def train(out_dir: Path, lessons: Callable[[], Sequence[Item]], course: Course, seed_dir: Path) -> float:
    """Write the model that was taught to `out_dir`; CPU-seconds. The same course gives the same weights on one machine type."""
    import torch

    started = time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(course.seed)
    model, processor = load(seed_dir)
    teach(model, processor, lessons(), course)
    seed_model.save(model, processor, out_dir)
    return time.process_time() - started


def command(
    name: str,
    description: str,
    config: Callable[..., C],
    trained: Callable[[Path, C], float],
    report: Callable[[Path, C], dict[str, Any]],
    argv: list[str] | None = None,
) -> None:
    """Train and measure from the command line: the module `name` of the tiny world, the model and report.json in a folder."""
    parser, defaults = (
        argparse.ArgumentParser(prog=f"python -m ratchet.tinyworld.{name}", description=description),
        config(),
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--visits", type=int, default=defaults.visits, help="rows trained on")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of rows and shuffling")
    parser.add_argument("--asked", type=int, default=defaults.asked, help="validation items to measure on")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    course = config(visits=given.visits, seed=given.seed, asked=given.asked)
    seconds = trained(given.out, course)
    told = {"cpu_seconds": round(seconds), **report(given.out, course)}
    text = json.dumps(told, indent=1) + "\n"
    (given.out / "report.json").write_text(text)
    sys.stdout.write(text)
