"""The requests of the v2beta1 API, each a function from what was asked to the JSON of its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any

from ratchet.services.fake_pipelines.bodies import Object, Refused, checked
from ratchet.services.fake_pipelines.state import OPEN, State, check_arguments, listed, specification


@dataclass(frozen=True)
class Asked:
    """One request, taken apart; `ids` are those of its path."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    raw: bytes
    content_type: str
    multi_user: bool
    ids: tuple[str, ...] = ()

    @property
    def namespace(self) -> str | None:
        """The namespace of the query. Raises Refused as the real one does where it is needed or not allowed."""
        return _namespace(self.query.get("namespace"), self.multi_user)


def _namespace(given: str | None, multi_user: bool) -> str | None:
    if multi_user and not given:
        raise Refused(400, "a namespace is needed in multi-user mode")
    if given and not multi_user:
        raise Refused(400, "in single-user mode a request must not name a namespace")
    return given or None


Route = Callable[[State, Asked], Object]


def _create_experiment(state: State, asked: Asked) -> Object:
    body = checked("V2beta1Experiment", asked.body)
    _namespace(body.get("namespace"), asked.multi_user)
    made = {**body, "storage_state": "AVAILABLE"}
    return state.add(state.experiments, "experiment_id", made, unique=("display_name", "namespace"))


def _list_experiments(state: State, asked: Asked) -> Object:
    inside = [one for one in state.experiments.values() if one.get("namespace") == asked.namespace]
    return listed(inside, asked.query, "experiments")


def _get_experiment(state: State, asked: Asked) -> Object:
    return state.get(state.experiments, asked.ids[0], "experiment")


def _upload(state: State, asked: Asked) -> Object:
    name = asked.query.get("name") or "pipeline"
    made = {"display_name": asked.query.get("display_name") or name, "name": name}
    made |= {key: asked.query[key] for key in ("description", "namespace") if key in asked.query}
    content = _file(asked)
    specification(content)
    pipeline = state.add(state.pipelines, "pipeline_id", made, unique=("name", "namespace"))
    state.upload(pipeline, name, made.get("description", ""), content)
    return pipeline


def _upload_version(state: State, asked: Asked) -> Object:
    if not asked.query.get("pipelineid"):
        raise Refused(400, "Failed to create a pipeline version")
    pipeline = state.get(state.pipelines, asked.query["pipelineid"], "pipeline")
    name = asked.query.get("name") or "version"
    return state.upload(pipeline, name, asked.query.get("description", ""), _file(asked))


def _file(asked: Asked) -> bytes:
    """The file of a multipart body."""
    head = f"Content-Type: {asked.content_type}\r\n\r\n".encode()
    for part in message_from_bytes(head + asked.raw, policy=policy.HTTP).walk():
        if part.get_param("name", header="content-disposition") == "uploadfile":
            content = part.get_payload(decode=True)
            return content if isinstance(content, bytes) else b""
    raise Refused(400, "Failed to create a pipeline: no uploadfile")


def _list_pipelines(state: State, asked: Asked) -> Object:
    wanted = asked.query.get("namespace")
    return listed(
        [one for one in state.pipelines.values() if wanted in (None, one.get("namespace"))], asked.query, "pipelines"
    )


def _get_pipeline(state: State, asked: Asked) -> Object:
    return state.get(state.pipelines, asked.ids[0], "pipeline")


def _list_versions(state: State, asked: Asked) -> Object:
    state.get(state.pipelines, asked.ids[0], "pipeline")
    found = [one for one in state.versions.values() if one["pipeline_id"] == asked.ids[0]]
    return listed(found, asked.query, "pipeline_versions")


def _get_version(state: State, asked: Asked) -> Object:
    return state.get(state.versions, asked.ids[1], "version")


def _create_run(state: State, asked: Asked) -> Object:
    return state.start(checked("V2beta1Run", asked.body))


def _list_runs(state: State, asked: Asked) -> Object:
    return listed(_of_experiment(state.runs, asked), asked.query, "runs")


def _of_experiment(kind: Mapping[str, Object], asked: Asked) -> list[Object]:
    wanted = asked.query.get("experiment_id")
    return [one for one in list(kind.values()) if wanted in (None, one.get("experiment_id"))]


def _get_run(state: State, asked: Asked) -> Object:
    return state.get(state.runs, asked.ids[0], "run")


def _terminate(state: State, asked: Asked) -> Object:
    run = state.get(state.runs, asked.ids[0], "run")
    if run["state"] not in OPEN:
        raise Refused(400, f"run {asked.ids[0]} has ended and cannot be terminated")
    state.advance(run["run_id"], "CANCELING")
    return {}


def _create_recurring(state: State, asked: Asked) -> Object:
    body = checked("V2beta1RecurringRun", asked.body)
    trigger = body.get("trigger") or {}
    cron = (trigger.get("cron_schedule") or {}).get("cron")
    if cron is not None and len(cron.split()) not in (5, 6) and not cron.startswith("@"):
        raise Refused(400, f"the cron schedule {cron!r} is not supported")
    if cron is None and "periodic_schedule" not in trigger:
        raise Refused(400, "a recurring run needs a trigger")
    if not 1 <= int(body.get("max_concurrency") or 0) <= 10:
        raise Refused(400, "max_concurrency must be from 1 to 10")
    check_arguments(state.referenced(body)["pipeline_spec"], body)
    status = "ENABLED" if body.get("mode") == "ENABLE" else "DISABLED"
    return state.add(state.recurring, "recurring_run_id", {**body, "status": status})


def _list_recurring(state: State, asked: Asked) -> Object:
    return listed(_of_experiment(state.recurring, asked), asked.query, "recurringRuns")


def _get_recurring(state: State, asked: Asked) -> Object:
    return state.get(state.recurring, asked.ids[0], "recurring run")


def _switch(state: State, asked: Asked) -> Object:
    state.get(state.recurring, asked.ids[0], "recurring run")
    enabled = asked.path.endswith(":enable")
    state.recurring[asked.ids[0]].update(
        status="ENABLED" if enabled else "DISABLED", mode="ENABLE" if enabled else "DISABLE"
    )
    return {}


def _delete_recurring(state: State, asked: Asked) -> Object:
    state.get(state.recurring, asked.ids[0], "recurring run")
    state.delete_schedule(asked.ids[0])
    return {}


_ID = "([^/:]+)"
_ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("POST", "experiments", _create_experiment),
    ("GET", "experiments", _list_experiments),
    ("GET", f"experiments/{_ID}", _get_experiment),
    ("POST", "pipelines/upload", _upload),
    ("POST", "pipelines/upload_version", _upload_version),
    ("GET", "pipelines", _list_pipelines),
    ("GET", f"pipelines/{_ID}", _get_pipeline),
    ("GET", f"pipelines/{_ID}/versions", _list_versions),
    ("GET", f"pipelines/{_ID}/versions/{_ID}", _get_version),
    ("POST", "runs", _create_run),
    ("GET", "runs", _list_runs),
    ("GET", f"runs/{_ID}", _get_run),
    ("POST", f"runs/{_ID}:terminate", _terminate),
    ("POST", "recurringruns", _create_recurring),
    ("GET", "recurringruns", _list_recurring),
    ("GET", f"recurringruns/{_ID}", _get_recurring),
    ("POST", f"recurringruns/{_ID}:(?:en|dis)able", _switch),
    ("DELETE", f"recurringruns/{_ID}", _delete_recurring),
)


def route(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """The function of a request, and the ids of its path. Raises Refused for what this fake does not have."""
    for one, pattern, function in _ROUTES:
        found = re.fullmatch(f"/apis/v2beta1/{pattern}", path)
        if one == method and found is not None:
            return function, found.groups()
    raise Refused(404, f"Not Found: {method} {path}")
