"""What every method does around its trainer: check, load, watch, train, save, report. A method brings the trainer alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import PrinterCallback

from ratchet.recipe import TrainConfig
from ratchet.train import checks, dryrun, plans, sampler, saving, sharding, token_mean, weights
from ratchet.train.checkpoints.keeping import Keeping
from ratchet.train.hooks import attach
from ratchet.train.job import Job
from ratchet.train.report import TrainReport
from ratchet.train.room import Peak
from ratchet.train.together import world
from ratchet.train.validation import Looks
from ratchet.train.watch import Watch, quiet, saved, told

Arguments = Callable[[TrainConfig, Path, int], Any]
"""From our options, a scratch folder and the random seed to TRL's configuration."""
Make = Callable[[Job, Any, Any, dict[str, Any]], Any]
"""From the job, the model, its processor and what all of TRL's trainers take to a trainer that is ready to train. A method
appends callbacks of its own to the common ones; one that `Keeps` something has it back where a training goes on."""


def run(job: Job, arguments: Arguments, texts: Sequence[str], make: Make) -> TrainReport:
    """Train by the method whose pieces these are. `texts` names the columns of messages that its rows have.

    Raises what `Trainer` says.
    """
    start = time.perf_counter()
    config, rows = job.config, job.rows
    with TemporaryDirectory(prefix=f"ratchet-{config.method}-") as scratch, quiet():
        settings = arguments(config, Path(scratch), job.seed)
        checks.check_rows(rows, texts)
        model, processor = weights.load(job.seed_dir, config, settings, job.model)
        checks.check_rendering(rows, processor, texts)
        planned = plans.plan(config, settings, rows, model, processor, texts, max(job.dry, 1))
        if job.dry:
            rows = plans.rehearsed(planned, rows, settings)
        watch = Watch(config, job.progress)
        common = {
            "args": settings,
            "train_dataset": rows,
            "processing_class": processor,
            "peft_config": weights.adapter(config, model),
            "callbacks": [watch],
        }
        with told(config):
            trainer = make(job, model, processor, common)
            trainer.remove_callback(PrinterCallback)
            attach(trainer, *_parts(job))
            sharding.check_sharded(trainer, world())
            looks = Looks(job, trainer, watch) if config.checkpoints.best == "validation" else None
            sizes = weights.sizes(trainer.model)
            peak = Peak(settings.device.type)
            loop_start = time.perf_counter()
            with Keeping(job, trainer, Path(scratch), looks) as keeping:
                trainer.train(resume_from_checkpoint=keeping.resume())
            loop_seconds = time.perf_counter() - loop_start
            if looks is not None:
                looks.finish()
        if job.dry:
            raise dryrun.ended(config.method, planned, peak.bytes(), loop_seconds)
        model = sharding.whole(trainer, job.seed_dir)
        if model is not None:
            with saved(job.out_dir):
                saving.save(model, job.seed_dir, job.out_dir, config.lora, job.model, job.hashes)
    seconds = time.perf_counter() - start
    report = weights.report(config, settings, len(rows), watch.log, sizes, seconds=seconds, loop_seconds=loop_seconds)
    report = report.model_copy(update={**keeping.facts(), **(looks.facts() if looks is not None else {})})
    return sampler.described(report, trainer, job.order)


def _parts(job: Job) -> tuple[type, ...]:
    """What of this job overrides methods of TRL's trainer, such as the order of its rows."""
    ordered = () if job.order is None else (sampler.ordered(job.order),)
    shared = world().size > 1 and job.config.method == "dpo" and token_mean.TERM in job.config.losses
    return (*ordered, token_mean.TokenMean) if shared else ordered
