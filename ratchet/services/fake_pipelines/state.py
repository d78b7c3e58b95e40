"""What the API keeps: experiments, pipelines with versions, runs and recurring runs, as the JSON that it answers with."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import yaml

from ratchet import canonical
from ratchet.services.fake_pipelines.bodies import Object, Refused

OPEN = ("PENDING", "RUNNING", "PAUSED", "CANCELING")
Started = Callable[[Object], None]


def now() -> str:
    """In whole seconds, as the real one keeps them."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class State:
    """All objects by id, in the order in which they were made. Every method is atomic."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.experiments: dict[str, Object] = {}
        self.pipelines: dict[str, Object] = {}
        self.versions: dict[str, Object] = {}
        self.runs: dict[str, Object] = {}
        self.recurring: dict[str, Object] = {}
        self.started: Started | None = None

    def add(self, kind: dict[str, Object], key: str, made: Object, *, unique: Iterable[str] = ()) -> Object:
        """Keep a new object. Raises Refused (409) where another has the same values of `unique`."""
        with self.lock:
            if unique and any(all(old.get(name) == made.get(name) for name in unique) for old in kind.values()):
                raise Refused(409, f"{made.get('display_name')} exists already")
            made = {**made, key: str(uuid.uuid4()), "created_at": now()}
            kind[made[key]] = made
            return deepcopy(made)

    def get(self, kind: dict[str, Object], key: str, what: str) -> Object:
        with self.lock:
            if key not in kind:
                raise Refused(404, f"{what} {key} not found")
            return deepcopy(kind[key])

    def newest_version(self, pipeline: str) -> Object:
        with self.lock:
            found = [one for one in self.versions.values() if one["pipeline_id"] == pipeline]
        if not found:
            raise Refused(404, f"pipeline {pipeline} has no version")
        return found[-1]

    def upload(self, pipeline: Object, name: str, description: str, content: bytes) -> Object:
        """A version of a pipeline from its IR. Raises Refused: 400 for what is no pipeline, 409 for a name that is taken."""
        made = {
            "pipeline_id": pipeline["pipeline_id"],
            "display_name": name,
            "name": name,
            "description": description,
            "pipeline_spec": specification(content),
        }
        return self.add(self.versions, "pipeline_version_id", made, unique=("pipeline_id", "name"))

    def start(self, given: Object, recurring: str | None = None) -> Object:
        """A run of what the reference names, or of the pipeline's newest version. Raises Refused for arguments that do not fit."""
        with self.lock:
            version = self.referenced(given)
            check_arguments(version["pipeline_spec"], given)
            made = self.add(
                self.runs,
                "run_id",
                {
                    **given,
                    "experiment_id": given.get("experiment_id") or "default",
                    "pipeline_version_id": version["pipeline_version_id"],
                    "pipeline_version_reference": {
                        "pipeline_id": version["pipeline_id"],
                        "pipeline_version_id": version["pipeline_version_id"],
                    },
                    "state": "PENDING",
                    "storage_state": "AVAILABLE",
                    "state_history": [{"update_time": now(), "state": "PENDING"}],
                    **({"recurring_run_id": recurring} if recurring else {}),
                },
            )
        if self.started is not None:
            self.started(made)
        return made

    def referenced(self, given: Object) -> Object:
        """The pipeline version that a body names, as it stands."""
        reference = given.get("pipeline_version_reference") or {}
        if not reference.get("pipeline_id"):
            raise Refused(400, "a pipeline_id is needed in pipeline_version_reference")
        self.get(self.pipelines, reference["pipeline_id"], "pipeline")
        version = reference.get("pipeline_version_id")
        return self.get(self.versions, version, "version") if version else self.newest_version(reference["pipeline_id"])

    def advance(self, run: str, state: str, error: str | None = None, **details: Any) -> None:
        """Let a run go on: RUNNING, SUCCEEDED, FAILED, CANCELED."""
        with self.lock:
            found = self.runs[run]
            found.update(details, state=state)
            found["state_history"].append({"update_time": now(), "state": state})
            if error is not None:
                found["error"] = {"code": 2, "message": error}
            if state not in OPEN:
                found["finished_at"] = now()

    def delete_schedule(self, recurring: str) -> None:
        """The workflows that it owns go with it, also one that runs, as Kubernetes collects what has lost its owner."""
        with self.lock:
            del self.recurring[recurring]
            for run in self._open_of(recurring):
                state = "CANCELED" if run["state"] == "CANCELING" else "FAILED"
                self.advance(run["run_id"], state, "its workflow was deleted with the recurring run that owned it")

    def tick(self) -> list[str]:
        """The moment of every schedule: one run of each that is enabled and has fewer open runs than it may."""
        with self.lock:
            due = [one for one in self.recurring.values() if one["status"] == "ENABLED"]
            due = [one for one in due if len(self._open_of(one["recurring_run_id"])) < int(one["max_concurrency"])]
        kept = ("experiment_id", "pipeline_version_reference", "runtime_config", "service_account", "description")
        return [
            self.start(
                {name: one[name] for name in kept if name in one}
                | {"display_name": f"{one['display_name']}-{uuid.uuid4().hex[:5]}", "scheduled_at": now()},
                one["recurring_run_id"],
            )["run_id"]
            for one in due
        ]

    def _open_of(self, recurring: str) -> list[Object]:
        return [run for run in self.runs.values() if run.get("recurring_run_id") == recurring and run["state"] in OPEN]


def specification(content: bytes) -> Object:
    """The IR's documents as the API keeps them. Raises Refused for other YAML."""
    try:
        documents = [one for one in yaml.load_all(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if one]
    except yaml.YAMLError as error:
        raise Refused(400, f"the file is no YAML: {error}") from error
    if not documents or "pipelineInfo" not in documents[0] or len(documents) > 2:
        raise Refused(400, "the file is no compiled pipeline (pipelineInfo is missing)")
    return documents[0] if len(documents) == 1 else {"pipeline_spec": documents[0], "platform_spec": documents[1]}


def check_arguments(spec: Mapping[str, Any], given: Object) -> None:
    """Raise Refused for arguments that the pipeline does not have, or lacks."""
    root = spec.get("pipeline_spec", spec)["root"]
    known = root.get("inputDefinitions", {}).get("parameters", {})
    arguments = (given.get("runtime_config") or {}).get("parameters") or {}
    if extra := sorted({*arguments} - {*known}):
        raise Refused(400, f"parameter {extra[0]} is not an input of the pipeline; it has {', '.join(sorted(known))}")
    for name, definition in known.items():
        if name not in arguments:
            if not definition.get("isOptional") and "defaultValue" not in definition:
                raise Refused(400, f"parameter {name} is required")
        elif not _TYPES.get(definition["parameterType"], lambda _: True)(arguments[name]):
            raise Refused(400, f"parameter {name}: {arguments[name]!r} is no {definition['parameterType']}")


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "STRING": lambda value: isinstance(value, str),
    "BOOLEAN": lambda value: isinstance(value, bool),
    "NUMBER_DOUBLE": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "NUMBER_INTEGER": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def listed(items: Iterable[Object], query: Mapping[str, str], of: str) -> Object:
    """One page of objects: filtered, sorted, cut, with a token for the next."""
    found = [one for one in items if _passes(one, query.get("filter", ""))]
    field, _, direction = query.get("sort_by", "").partition(" ")
    if field:
        # What was made in the same second keeps its order.
        found.sort(key=lambda one: one.get(field, ""))
        if direction == "desc":
            found.reverse()
    size, start = int(query.get("page_size") or 20), int(query.get("page_token") or 0)
    page = {of: deepcopy(found[start : start + size]), "total_size": len(found)}
    return page | ({"next_page_token": str(start + size)} if start + size < len(found) else {})


def _passes(one: Object, given: str) -> bool:
    """The operations that clients use: EQUALS and IS_SUBSTRING, by name or number. Raises Refused for others."""
    if not given:
        return True
    try:
        predicates = canonical.loads(given.encode())["predicates"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(400, f"the filter is no filter: {error}") from error
    return all(_holds(one, predicate) for predicate in predicates)


def _holds(one: Object, predicate: Mapping[str, Any]) -> bool:
    value, wanted = (
        str(one.get(predicate["key"], "")),
        predicate.get("stringValue", predicate.get("string_value", "")),
    )
    if predicate["operation"] in ("EQUALS", 1):
        return bool(value == wanted)
    if predicate["operation"] in ("IS_SUBSTRING", 9):
        return wanted in value
    raise Refused(400, f"this fake knows EQUALS and IS_SUBSTRING, not {predicate['operation']}")
