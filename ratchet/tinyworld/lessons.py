"""A short further training of the shipped seed on lessons of one's own: what asker and drawer are made with."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from ratchet.tinyworld import rows, seed_model
from ratchet.tinyworld.seed import load, optimiser, seed_labels
from ratchet.tinyworld.world import Item

log = logging.getLogger(__name__)


class Course(Protocol):
    """`visits` rows in all, in batches; the learning rate rises over `warm_up` steps and falls to nothing."""

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
