"""Training in the stage's own process."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ratchet import models
from ratchet.stage import StageContext
from ratchet.train.launchers import Outcome
from ratchet.train.methods import METHODS, check
from ratchet.train.preparing import prepare


def launch(context: StageContext) -> Outcome:
    """Train here and upload the model. Wrong options are refused before anything is read."""
    check(context.config)
    with TemporaryDirectory(prefix="ratchet-train-") as scratch:
        job = prepare(context, Path(scratch))
        with context.clock("train"):
            report = METHODS[job.config.method](job)
        context.check_lease()
        with context.clock("upload"):
            model = models.upload(context.store, job.out_dir, context.round.loop, job.hashes)
    return Outcome(model, report)
