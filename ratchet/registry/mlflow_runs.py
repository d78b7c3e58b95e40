"""MLflow's runs: one for each round, opened by begin and ended by finish; one for a version that no round made.

The run of a round is the one that the platform gives (MLFLOW_RUN_ID, as KFP's MLflow plugin sets it: of a task's run it is the
parent, which is the pipeline's), else one of our own, found again by the tags of its loop and round.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ratchet.registry.base import DIGEST, LOOP, ROUND, RunState, TrackedRun

GIVEN = "MLFLOW_RUN_ID"
PARENT = "mlflow.parentRunId"
RUNNING = "RUNNING"
TAG_CHARS = 5000
PAGE = 500


def given(client: Any) -> str | None:
    """The run that the platform gives: of a task's run its parent."""
    own = os.environ.get(GIVEN)
    return str(client.get_run(own).data.tags.get(PARENT) or own) if own else None


def open_round(client: Any, name: str, tags: Mapping[str, str]) -> str:
    """Id of the run of the round that the tags name. One that has ended runs again: the round is taken up again."""
    whole = given(client)
    run = client.get_run(whole) if whole else _found(client, name, tags, (LOOP, ROUND)) or _made(client, name, tags)
    mark(client, run.info.run_id, tags)
    if run.info.status != RUNNING:
        client.update_run(run.info.run_id, status=RUNNING)
    return str(run.info.run_id)


def of_version(client: Any, name: str, tags: Mapping[str, str], wanted: str | None) -> tuple[str, bool]:
    """The run that a version belongs to, and whether it is to be ended when the version is made.

    `wanted` is its round's; one that a person has deleted meanwhile is replaced.
    """
    if wanted is not None and _is_active(client, wanted):
        mark(client, wanted, tags)
        return wanted, False
    own = os.environ.get(GIVEN)
    if own:
        return own, False
    run = _found(client, name, tags, (DIGEST, ROUND)) or _made(client, name, tags)
    return str(run.info.run_id), True


def mark(client: Any, run: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    if tags:
        client.log_batch(run, tags=[RunTag(key, value[:TAG_CHARS]) for key, value in sorted(tags.items())])


def end(client: Any, run: str, state: RunState, tags: Mapping[str, str]) -> None:
    mark(client, run, tags)
    client.set_terminated(run, state)


def running(client: Any, name: str) -> list[TrackedRun]:
    """Runs of ours in the loop's experiment that are said to be running, the oldest first."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return []
    found: list[TrackedRun] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment.experiment_id], f"attributes.status = '{RUNNING}'", max_results=PAGE, page_token=token
        )
        found.extend(_tracked(run) for run in page if ROUND in run.data.tags)
        token = page.token
        if not token:
            return sorted(found, key=lambda one: one.started)


def _tracked(run: Any) -> TrackedRun:
    number = run.data.tags[ROUND]
    return TrackedRun(
        run=run.info.run_id,
        round=int(number) if number.isdecimal() and number != "0" else None,
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
    )


def _found(client: Any, name: str, tags: Mapping[str, str], keys: tuple[str, ...]) -> Any:
    """The run with these tags, if there is one."""
    same = " and ".join(f"tags.`{key}` = '{tags[key]}'" for key in keys if key in tags)
    found = client.search_runs([_experiment(client, name)], same, max_results=1)
    return found[0] if found else None


def _made(client: Any, name: str, tags: Mapping[str, str]) -> Any:
    number = tags.get(ROUND, "")
    title = f"round-{int(number):04d}" if number.isdecimal() else f"seed-{tags[DIGEST][:8]}"
    short = {key: value[:TAG_CHARS] for key, value in tags.items()}
    return client.create_run(_experiment(client, name), tags=short, run_name=title)


def _is_active(client: Any, run: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def _experiment(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    return str(found.experiment_id)
