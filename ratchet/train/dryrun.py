"""`ratchet train --dry-run`: everything up to the first steps, on the longest rows, and nothing that stays."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ratchet import rounds
from ratchet.errors import RecipeError, RoundError
from ratchet.launching.fitting import check_training
from ratchet.profile import Profile
from ratchet.recipe import CheckpointsConfig
from ratchet.records import Record
from ratchet.settings import Settings
from ratchet.stage import STEPS, StageContext, context_of
from ratchet.store import open_store
from ratchet.train.methods import METHODS, check
from ratchet.train.preparing import prepare

if TYPE_CHECKING:
    from ratchet.train.plans import Plan


class Rehearsal(Record):
    """What a dry run found. Memory is in bytes, at the worst moment; `seconds` are of all steps, if all were of mean length."""

    method: str
    rows: int
    steps: int
    tokens: int
    longest_row: int
    longest_tokens: int
    picture_tokens: int
    parts: dict[str, int]
    held: int
    room: int
    device: str
    estimated: int
    measured: int | None
    step_seconds: float
    seconds: float


class Rehearsed(Exception):
    """How a dry run leaves a method: no error, but nothing was trained, so there is nothing to return."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        super().__init__("the dry run has ended")
        self.rehearsal = rehearsal


def ended(method: str, plan: Plan, peak: int | None, seconds: float) -> Rehearsed:
    """What there is to say after `seconds` of two steps on the longest rows, with `peak` bytes."""
    length = plan.lengths
    longest = plan.longest[0]
    step = seconds / 2
    share = float(length.total.mean() / length.total[list(plan.longest)].mean())
    return Rehearsed(
        Rehearsal(
            method=method,
            rows=len(length.total),
            steps=plan.steps,
            tokens=plan.tokens,
            longest_row=longest,
            longest_tokens=int(length.total[longest]),
            picture_tokens=int(length.pictured[longest]),
            parts=dict(plan.estimate.parts),
            held=plan.estimate.held,
            room=plan.estimate.room,
            device=plan.estimate.device,
            estimated=plan.estimate.total,
            measured=peak,
            step_seconds=step,
            seconds=step * share * plan.steps,
        )
    )


def rehearse(settings: Settings, loop: str, job: str | None = None) -> Rehearsal:
    """The dry run of a round's train stage, in this process: of several that the profile's launcher starts, one with its part of
    each batch. Takes no lease and writes nothing.

    Raises RecipeError for a launcher whose processes one alone says nothing of, RoundError where filter has not
    finished, and whatever training would raise before its third step.
    """
    from ratchet.loop import ticket_of

    store = open_store(settings.root)
    ticket = ticket_of(settings, loop, job)
    done = rounds.manifests(store, loop, ticket.number)
    missing = [name for name in STEPS["train"].parents if name not in done]
    if missing:
        raise RoundError(
            f"round {ticket.number} of loop {loop} has no {missing[0]} yet; run `ratchet {missing[0]} --loop {loop}` first."
        )
    opened = rounds.read_round(store, loop, ticket.number)
    parents = {name: done[name] for name in STEPS["train"].parents}
    where = Profile.load(settings.profile).placed_launcher
    return of(context_of("train", store, opened, parents, settings=settings, launcher=where))


def of(context: StageContext) -> Rehearsal:
    """The dry run of a train stage."""
    check(context.config)
    _check_launcher(context)
    processes = context.launcher.world
    with TemporaryDirectory(prefix="ratchet-dry-") as scratch:
        job = prepare(context, Path(scratch), keeps=False)
        share = {"checkpoints": CheckpointsConfig(), "batch_size": job.config.batch_size // processes}
        config = job.config.model_copy(update=share)
        job = dataclasses.replace(job, config=config, dry=processes, checkpoints=None, validation=None, order=None)
        try:
            METHODS[job.config.method](job)
        except Rehearsed as done:
            return done.rehearsal
    raise AssertionError("a dry run ends before its method returns")


def _check_launcher(context: StageContext) -> None:
    where = context.launcher
    if where.kind == "trainjob" or where.strategy == "fsdp":
        named = (
            "kind trainjob trains on other machines" if where.kind == "trainjob" else "strategy fsdp shares the model"
        )
        raise RecipeError(
            f"launcher.{named}, so one process here says nothing of its memory and time; run the dry run with a profile whose "
            "launcher is inprocess, or torchrun with ddp."
        )
    try:
        check_training(where, context.config, gpus=1)
    except ValueError as error:
        raise RecipeError(f"{error}.") from error
