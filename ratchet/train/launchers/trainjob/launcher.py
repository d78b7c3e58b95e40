"""The launcher: from the stage's context to the trained model, by way of a TrainJob.

The job is deleted at its end, good or bad, and when the run is cancelled. It is left alone, for the next try to adopt, when
this process is killed, when its pod is taken away by the cluster, and when the API server or the store stays away.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

from ratchet.errors import LeaseLost, RatchetError, TrainError
from ratchet.launching.trainjob import TrainJobConfig
from ratchet.registry.lease import beat
from ratchet.stage import StageContext, lease_seconds
from ratchet.train.launchers import Outcome, trained_apart
from ratchet.train.launchers.trainjob import leftover
from ratchet.train.launchers.trainjob.api import Away, Object, connect
from ratchet.train.launchers.trainjob.following import Following
from ratchet.train.launchers.trainjob.jobs import Jobs, attempt_of
from ratchet.train.launchers.trainjob.looking import condition
from ratchet.train.launchers.trainjob.manifest import Wanted, train_job
from ratchet.train.launchers.trainjob.watching import Ended, Watching
from ratchet.train.orders import order_of, read_failures

POLL_SECONDS = 5.0
CANCEL_AWAY_SECONDS = 10.0
"""A cancelled pod has half a minute to end."""


def launch(context: StageContext) -> Outcome:
    """Train on the cluster. What an earlier try has finished is not done again, and what it has begun is adopted.

    Raises what the first failing worker raised; TrainError when the cluster refuses, loses or stops the job, and when it ends
    well without a result; LeaseLost when the loop belongs to another run.
    """
    return trained_apart(
        context,
        _run,
        "the TrainJob ended well, but left no training.json: its image has another ratchet, or wrote to another store. Compare "
        "images.training with the stage's image and RATCHET_ROOT in the profile's environment; then run the stage again.",
    )


def _run(context: StageContext) -> None:
    config = context.launcher.trainjob
    if config is None:
        raise TrainError("launcher trainjob was asked for without launcher.trainjob in the profile; add it.")
    jobs = Jobs(connect(), said_once(context), POLL_SECONDS)
    with cancelled_by_signal():
        asked: Object | None = None
        try:
            asked = train_job(wanted(context, config), config, jobs.owner())
            leftover.remember(context.store, context.round.prefix, asked)
            _watch(context, config, jobs, jobs.ensure(asked))
        except (SystemExit, KeyboardInterrupt):
            if asked is not None:
                _cancel(context, jobs, asked)
            raise
        except Away as error:
            raise TrainError(
                f"the Kubernetes API does not answer ({error}). A TrainJob that was made goes on without this step; run the stage "
                "again, which adopts it."
            ) from error


def _watch(context: StageContext, config: TrainJobConfig, jobs: Jobs, job: Object) -> None:
    """Wait, and delete the job unless the next try shall find it."""
    following = Following(jobs.api, context.progress)
    attempt = attempt_of(job)
    failures = partial(read_failures, context, attempt)
    watching = Watching(jobs, job, config, failures, context.check_lease, beat(lease_seconds()), following)
    try:
        watching.run()
        following.end()
    except Ended as ended:
        _delete(context, jobs, job)
        raise ended.error from None
    except LeaseLost:
        _delete(context, jobs, job)
        raise
    finally:
        following.stop()
    _delete(context, jobs, job)


def wanted(context: StageContext, config: TrainJobConfig) -> Wanted:
    """What the job is to do. The addresses of store and registry are this process's own."""
    order = order_of(context)
    places = context.settings.environment() if context.settings else {}
    return Wanted(
        loop=context.round.loop,
        number=context.round.number,
        key=context.key,
        holder=f"{order.ticket.job}/{order.ticket.epoch}",
        image=config.image or "",
        order=order.model_dump_json(),
        attempt=order.attempt,
        nodes=context.launcher.nodes,
        processes=context.launcher.processes,
        environment={"OMP_NUM_THREADS": "1", **config.environment, **places},
        secrets=config.secrets,
    )


@contextmanager
def cancelled_by_signal() -> Iterator[None]:
    """SIGTERM, which KFP sends to the pod of a run that is cancelled, as SystemExit: what is under way is cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cancel(context: StageContext, jobs: Jobs, job: Object) -> None:
    """Delete the job of a run that ends, but not when only this pod does: Kubernetes marks pods that it takes away."""
    if threading.current_thread() is threading.main_thread():
        # A second signal must not interrupt this.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hurried = Jobs(jobs.api, jobs.say, 1.0, CANCEL_AWAY_SECONDS)
    name = job["metadata"]["name"]
    try:
        marked = condition(hurried.pod() or {}, "DisruptionTarget")
        if marked is not None and marked["status"] == "True":
            _say(
                f"this pod is taken away ({marked.get('reason')}); TrainJob {name} goes on, and the next try adopts it"
            )
            return
        hurried.delete(job)
        leftover.forget(context.store, context.round.prefix)
        _say(f"cancelled: TrainJob {name} is deleted")
    except (Away, RatchetError) as error:
        _say(f"cancelled, but TrainJob {name} could not be deleted ({error}); `kubectl delete trainjob {name}` ends it")


def _delete(context: StageContext, jobs: Jobs, job: Object) -> None:
    """A job that could not be deleted goes by the exit task or with its owner: the training's result is worth more."""
    try:
        jobs.delete(job)
        leftover.forget(context.store, context.round.prefix)
    except (Away, TrainError) as error:
        _say(f"TrainJob {job['metadata']['name']} could not be deleted: {error}")


def said_once(context: StageContext) -> Callable[[str], None]:
    """What the launcher itself says: to the stage's progress, and every new word into the log."""
    last = ""

    def say(words: str) -> None:
        nonlocal last
        context.progress(0, 1, "", words)
        if words != last:
            last = words
            _say(words)

    return say


def _say(words: str) -> None:
    sys.stderr.write(f"trainjob: {words}\n")
    sys.stderr.flush()
