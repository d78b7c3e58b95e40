"""The memory that a training is estimated to need, over the most that two steps on its longest rows were seen to use.

Each case trains dry (`ratchet train --dry-run` does the same) in a process of its own. A ratio below 1 lets pass what does not
fit, one above 1 refuses what does; `detail` has each case, also with what the process held before taken off both sides.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.checkpoints import WIDE, seed_of
from bench.result import SEED_FOLDER, Result
from bench.train import drawn_rows, rewards
from ratchet.recipe import TrainConfig
from ratchet.train import METHODS, Job
from ratchet.train.dryrun import Rehearsal, Rehearsed

LEAST = 0.85
ROWS = 256
CASES: Mapping[str, tuple[bool, TrainConfig]] = {
    name: (wide, TrainConfig.model_validate({"max_steps": 2, **fields}))
    for name, wide, fields in (
        ("tiny sft, batch 32", False, {"batch_size": 32}),
        ("tiny sft, batch 128", False, {"batch_size": 128}),
        ("tiny dpo, batch 16", False, {"method": "dpo", "batch_size": 16}),
        ("wide sft, batch 8", True, {"batch_size": 8}),
        ("wide sft, batch 32", True, {"batch_size": 32}),
        (
            "wide sft, batch 32, checkpointing",
            True,
            {"batch_size": 32, "parameters": {"gradient_checkpointing": True}},
        ),
        ("wide sft, batch 16, lora", True, {"batch_size": 16, "lora": {"rank": 16}}),
        ("wide dpo, batch 8", True, {"method": "dpo", "batch_size": 8}),
        ("wide grpo, batch 16", True, {"method": "grpo", "batch_size": 16, "rl": {"k": 4, "max_new_tokens": 16}}),
    )
}
QUICK = ("tiny sft, batch 32", "wide sft, batch 8")


def measure(quick: bool) -> list[Result]:
    with tempfile.TemporaryDirectory() as place:
        wide = seed_of(Path(place) / "wide", WIDE)
        found = {
            name: rehearsed(wide if large else SEED_FOLDER, config)
            for name, (large, config) in CASES.items()
            if not quick or name in QUICK
        }
    shares = {name: one.estimated / (one.measured or 1) for name, one in found.items()}
    detail = {name: _parts(one) for name, one in found.items()}
    said = f"estimated over measured peak memory, the lowest of {len(found)} cases"
    turns = list(shares.values())
    return [Result("memory estimate", said, LEAST, True, min(turns), "ratio of bytes", turns, detail=detail)]


def rehearsed(folder: Path, config: TrainConfig) -> Rehearsal:
    """A dry run in a fresh process."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_dry, folder, config).result()


def _dry(folder: Path, config: TrainConfig) -> Rehearsal:
    with tempfile.TemporaryDirectory() as place:
        rows = drawn_rows(ROWS, config.method, Path(place))
        try:
            METHODS[config.method](
                Job(config, folder, rows, Path(place) / "model", 1, dry=1, rewards=rewards(config.method))
            )
        except Rehearsed as done:
            return done.rehearsal
    raise AssertionError("a dry run ends before its method returns")


def _parts(one: Rehearsal) -> dict[str, float | None]:
    mebibyte = 2**20
    measured = one.measured or 0
    return {
        "estimated_mib": one.estimated / mebibyte,
        "measured_mib": measured / mebibyte,
        "held_mib": one.held / mebibyte,
        "ratio": one.estimated / measured if measured else None,
        "ratio_over_held": (one.estimated - one.held) / (measured - one.held) if measured > one.held else None,
    }
