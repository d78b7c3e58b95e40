"""What a training will do, before its first step: how many steps, how long its rows are, how much memory it needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset

from ratchet.recipe import TrainConfig
from ratchet.recipe.train import RL
from ratchet.train import limits, memory


@dataclass(frozen=True)
class Plan:
    """`lengths` of all rows; `longest` are the rows of the worst step; `per_step` rows a step of all processes sees."""

    lengths: limits.Lengths
    longest: tuple[int, ...]
    per_step: int
    steps: int
    estimate: memory.Estimate

    @property
    def visits(self) -> int:
        return self.steps * self.per_step

    @property
    def tokens(self) -> int:
        """Tokens that all steps will see, padding left out."""
        return int(self.visits * float(np.mean(self.lengths.total)))


def plan(
    config: TrainConfig,
    settings: Any,
    rows: Dataset,
    model: Any,
    processor: Any,
    texts: Sequence[str],
    processes: int = 1,
) -> Plan:
    """Look at all rows. A dry run is one process alone for the `processes` that will share a step.

    Raises TrainError for rows that are too long, and for a training that does not fit the memory."""
    new = int(getattr(settings, "max_completion_length", 0) or 0) if config.method in RL else 0
    found = limits.lengths(rows, processor, texts, new)
    limits.check_lengths(found, model, rows)
    each = settings.per_device_train_batch_size
    per_step = each * settings.world_size * settings.gradient_accumulation_steps
    rows_per_step = max(per_step // config.reinforcement.k, 1) if config.method in RL else per_step
    longest = tuple(found.longest(rows_per_step))
    rows_per_step *= processes
    batch = _batch(config, rows, found, model, processor, longest[:each], each, new)
    estimate = memory.estimate(model, config, settings, batch, processes)
    memory.check_memory(estimate, config)
    steps = (
        settings.max_steps
        if settings.max_steps > 0
        else math.ceil(config.epochs * _per_epoch(config, settings, len(rows), rows_per_step))
    )
    return Plan(found, longest, rows_per_step, steps, estimate)


def _per_epoch(config: TrainConfig, settings: Any, rows: int, rows_per_step: int) -> int:
    """Steps of an epoch. RL makes completions for `steps_per_generation` batches at once, and learns `rl.iterations` times from
    them; prompts that do not fill the last of these are left out (TRL's RepeatSampler)."""
    if config.method not in RL:
        return math.ceil(rows / rows_per_step)
    accumulate: int = settings.gradient_accumulation_steps
    batches: int = settings.steps_per_generation * settings.num_iterations
    made: int = rows * accumulate // (rows_per_step * settings.steps_per_generation)
    return max(-(-made * batches // accumulate), 1)


def sides(config: TrainConfig) -> int:
    """Sequences that a row becomes in a step that learns from all of them: both of a pair, and one for each term of the picture
    that reads an answer again."""
    terms = config.pictures
    again = 0 if terms is None else sum(bool(weight) for weight in (terms.conditional, terms.noised, terms.content))
    return (2 if config.method == "dpo" else 1) + again


def rehearsed(plan_: Plan, rows: Dataset, settings: Any) -> Dataset:
    """The rows of the worst step alone, and settings that take it twice: the second has the optimiser's state beside it."""
    settings.max_steps = 2
    settings.warmup_steps = 0
    return rows.select(plan_.longest)


def _batch(
    config: TrainConfig,
    rows: Dataset,
    found: limits.Lengths,
    model: Any,
    processor: Any,
    longest: Sequence[int],
    each: int,
    new: int,
) -> memory.Batch:
    """The worst batch of one process. What a picture costs the vision tower is seen on the longest row."""
    here = each if config.method in RL else min(each, len(rows))
    sequences = sides(config) * here
    each_picture = _patches(rows, processor, model, longest[0])
    pictures = float(np.mean(found.pictures[list(longest)])) * sequences
    # What the policy would say beside the bad pictures is read off whole logits.
    whole = here if config.pictures is not None and config.pictures.noised else 0
    return memory.Batch(sequences, int(found.total[longest[0]]), int(each_picture * pictures), new, whole)


def _patches(rows: Dataset, processor: Any, model: Any, row: int) -> float:
    """Patches of one of this row's pictures, on average, as the vision tower sees them."""
    vision = getattr(model.config, "vision_config", None)
    pictures = rows.select_columns(["images"])[row]["images"]
    side = getattr(vision, "patch_size", None)
    if not pictures or side is None:
        return 0
    pixels = processor.image_processor(pictures, return_tensors="pt")["pixel_values"]
    area = side[0] * side[1] if isinstance(side, (list, tuple)) else side * side
    return float(pixels.numel() // (3 * area) / len(pictures))
