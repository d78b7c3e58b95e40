"""One of several processes that train together: `python -m ratchet.train.worker --order FILE`, started by torch's launcher.

Each builds the job from the store for itself; those of one machine join the rows and fetch the seed once. The first alone
saves, uploads and says what came out. The stage that sent the order holds the lease: a worker only checks it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from ratchet import models
from ratchet.artifacts import read_manifest
from ratchet.errors import LeaseLost, RatchetError, RoundError, StoreError
from ratchet.progress import LoggedProgress, both, for_stage, silent
from ratchet.registry import lease as leases
from ratchet.rounds import read_round, read_run
from ratchet.settings import Settings
from ratchet.stage import StageContext, context_of, lease_of
from ratchet.store import open_store
from ratchet.train import together
from ratchet.train.methods import METHODS, check
from ratchet.train.orders import Order, Trained, write_failure, write_training
from ratchet.train.preparing import prepare

SCRATCH = "RATCHET_SCRATCH"
"""Folder that the processes of a machine share; default: one among the temporary files."""


def work(order: Order, context: StageContext) -> None:
    """Train as one of the order's processes. Raises what a trainer raises, and LeaseLost before anything is uploaded."""
    world = together.world()
    check(context.config)
    if world.strategy == "fsdp":
        import_module("ratchet.train.sharding").allow_on_cpu()
    folder = _folder(order)
    with _one_at_a_time(folder):
        job = prepare(context, folder)
    # A try of the same launch that was killed may have left a half-saved model.
    out_dir = folder / f"model-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    job = replace(job, out_dir=out_dir, progress=context.progress if world.first else silent)
    if job.checkpoints is not None:
        # A run that adopted the job has the lease under another epoch, and its checkpoints are wanted as the model is.
        job = replace(job, checkpoints=job.checkpoints.checked(lambda: check_wanted(context, order)))
    with context.clock("train"):
        report = METHODS[job.config.method](job)
    if not world.first:
        return
    check_wanted(context, order)
    with context.clock("upload"):
        model = models.upload(context.store, job.out_dir, context.round.loop, job.hashes)
    check_wanted(context, order)
    seconds = dict(context.seconds)
    write_training(context, Trained(model=model, report=report, seconds=seconds, processes=world.size))


def check_wanted(context: StageContext, order: Order) -> None:
    """Raise LeaseLost unless the run that sent the order holds the loop, or one that took up the same round: it adopts the job."""
    try:
        context.check_lease()
    except LeaseLost:
        state = leases.read(context.lease.store) if context.lease else None
        now = read_run(context.store, order.ticket.loop, state.holder) if state else None
        if now is None or now.number != order.ticket.number:
            raise


def open_context(order: Order) -> StageContext:
    """The stage's context again, as the launcher had it. Raises RoundError when this code would train something else."""
    ticket = order.ticket
    store = open_store(ticket.root)
    opened = read_round(store, ticket.loop, ticket.number)
    parents = {name: read_manifest(store, store.key(uri)) for name, uri in order.parents.items()}
    progress = both(for_stage("train", ticket.number), LoggedProgress("train"))
    lease = lease_of(store, ticket)
    context = context_of("train", store, opened, parents, settings=_settings(), lease=lease, progress=progress)
    if context.key != order.key:
        raise RoundError(
            f"this worker computes the stage's key {context.key[:12]}, but was ordered {order.key[:12]}: its image has another "
            "version of ratchet than the stage's. Use images of one version."
        )
    return context


def read_order(given: str) -> Order:
    """From a file, or JSON as it is."""
    return Order.model_validate_json(given if given.lstrip().startswith("{") else Path(given).read_bytes())


def _settings() -> Settings | None:
    """Training needs no registry; where the environment names one, it is at hand."""
    known = {"RATCHET_ROOT", "RATCHET_REGISTRY", "MLFLOW_TRACKING_URI"} & os.environ.keys()
    return Settings.from_environment() if len(known) > 1 and "RATCHET_ROOT" in known else None


def _folder(order: Order) -> Path:
    given = os.environ.get(SCRATCH)
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"ratchet-train-{os.getuid()}-{order.attempt}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RoundError(f"{folder} belongs to another user; set {SCRATCH} to a folder of your own.")
    return folder


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Among the processes of this machine; a lock that the kernel lets go when its holder is killed."""
    with (folder / "lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description="Train as one of several processes.")
    parser.add_argument("--order", required=True, help="a file with the order, or its JSON")
    order = read_order(parser.parse_args().order)
    together.die_with_parent()
    os.environ[together.STRATEGY] = order.strategy
    context: StageContext | None = None
    try:
        context = open_context(order)
        work(order, context)
    except BaseException as error:
        traceback.print_exc()
        if context is not None:
            with suppress(StoreError):
                write_failure(context, order.attempt, together.world().rank, error)
        _end(error.exit_code if isinstance(error, RatchetError) else 1)
    _end(0)
    return 0


def _end(code: int) -> None:
    """Without the destructors of torch's communication, which may wait for processes that are gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
