"""The train stage: the filter's groups and the round's seed become a candidate model in the store.

A training that is killed starts again from the seed and gives bitwise the same model, on the same machine and number of
threads: its random seed comes from the round's salt. Checkpoints in the middle of a training come later.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ratchet import models
from ratchet.artifacts import GROUPS, ImageBank, Manifest
from ratchet.errors import TrainError
from ratchet.recipe import TrainConfig
from ratchet.stage import StageContext
from ratchet.train.launchers import LAUNCHERS
from ratchet.train.methods import check
from ratchet.train.report import TRAIN_LOG
from ratchet.train.rows import ROWS, joined

if TYPE_CHECKING:
    from datasets import Dataset


def run(context: StageContext) -> Manifest:
    """Train, upload the model under the loop's name, and write the log as the stage's rows.

    `results` hold the model's reference and the report without its clocks. Raises what `Trainer` raises, and LeaseLost
    before anything is uploaded.
    """
    config: TrainConfig = context.config
    check(config)
    launch = LAUNCHERS["inprocess"][config.method]
    with TemporaryDirectory(prefix="ratchet-train-") as scratch:
        out_dir = Path(scratch) / "model"
        with context.clock("rows"):
            rows = _rows(context, config, Path(scratch) / "rows.arrow")
        with context.clock("fetch"):
            seed_dir = models.fetch(context.store, context.round.seed)
        with context.clock("train"):
            seed = training_seed(context.round.salt)
            report = launch(config, seed_dir, rows, out_dir, seed=seed, progress=context.progress)
        context.check_lease()
        with context.clock("upload"):
            model = models.upload(context.store, out_dir, context.round.loop)
    context.seconds["loop"] = report.loop_seconds
    writer = context.writer(TRAIN_LOG)
    writer.write(0, report.log)
    context.check_lease()
    return writer.commit(
        counts={"rows": report.rows, "visits": report.visits, "steps": report.steps},
        results={"model": model.model_dump(mode="json"), "report": report.outcome()},
        seconds=context.seconds,
    )


def training_seed(salt: str) -> int:
    """A number of 31 bits that differs from round to round and from the salt's other uses."""
    return int.from_bytes(hashlib.sha256(f"{salt}:train".encode()).digest()[:4], "big") >> 1


def _rows(context: StageContext, config: TrainConfig, file: Path) -> Dataset:
    artifact = context.open("filter", GROUPS)
    rows = ROWS[config.method](artifact.rows())
    if not rows:
        counts = ", ".join(f"{name} {number}" for name, number in sorted(artifact.manifest.counts.items())) or "none"
        raise TrainError(
            f"the filter left 0 rows for {config.method} of {artifact.manifest.rows} groups (its counts: {counts}). "
            "Loosen filter, or sample more in generate."
        )
    return joined(rows, ImageBank(context.store, artifact.manifest.packs), file)
