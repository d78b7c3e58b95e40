"""A record of the round's TrainJob in the store, for the exit task: a step that is killed cannot delete its job.

KFP's launcher hands no signal on: when a run is cancelled, the step has the moments between its own SIGTERM and the end of
its container's first process, which may be too few for a request to the API server. So finish, which runs when no other
try of the step will, deletes what the record names and this run still holds.
"""

from __future__ import annotations

from ratchet import canonical
from ratchet.errors import NotFound, RatchetError
from ratchet.launching.trainjob import RECORD
from ratchet.store import Store
from ratchet.train.launchers.trainjob.api import Away, Object, connect
from ratchet.train.launchers.trainjob.jobs import Jobs
from ratchet.train.launchers.trainjob.manifest import HOLDER

AWAY_SECONDS = 30.0
POLL_SECONDS = 2.0


def remember(store: Store, prefix: str, job: Object) -> None:
    """Before the job is made. `prefix` is the round's."""
    metadata = job["metadata"]
    body = {"name": metadata["name"], "holder": metadata["annotations"][HOLDER]}
    store.put(f"{prefix}/{RECORD}", canonical.pretty(body))


def forget(store: Store, prefix: str) -> None:
    """When the job's deletion has begun."""
    store.delete(f"{prefix}/{RECORD}")


def clean(store: Store, prefix: str, run: str) -> str | None:
    """Delete the job that run `run` has left. Says what came of it, None where nothing was left. Never raises."""
    try:
        body = canonical.loads(store.get(f"{prefix}/{RECORD}"))
        if not str(body["holder"]).startswith(f"{run}/"):
            return None
        jobs = Jobs(connect(), lambda _: None, POLL_SECONDS, AWAY_SECONDS)
        jobs.delete({"metadata": {"name": body["name"], "annotations": {HOLDER: body["holder"]}}})
        forget(store, prefix)
    except NotFound:
        return None
    except (Away, RatchetError) as error:
        return f"the round's TrainJob could not be deleted ({error}); `kubectl delete trainjob -l ratchet.internal/loop` ends it"
    return f"TrainJob {body['name']} was left and is deleted"
