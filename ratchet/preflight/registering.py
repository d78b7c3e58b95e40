"""Checks of MLflow: that it is there and new enough, and that we may do in it what a round does."""

from __future__ import annotations

import re
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ratchet.preflight import places
from ratchet.preflight.checking import Check
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding, fail, ok, warn
from ratchet.preflight.http import Unreachable, ask
from ratchet.registry.base import CHAMPION, SCRATCH_MODELS

OLDEST = (2, 9)
"""The first with aliases and data sets of runs, which rounds write."""
WEBHOOKS = (3, 3)
SCRATCH = "ratchet-preflight"
"""The experiment of a preflight without a loop."""
_RIGHTS = (
    "Give the account of MLFLOW_TRACKING_USERNAME (or MLFLOW_TRACKING_TOKEN) the right to it, "
    "or ask whoever runs the MLflow server."
)


def server(context: Context) -> Finding:
    """That a server answers at MLFLOW_TRACKING_URI, and its version."""
    uri = context.places.registry
    if not uri.startswith(("http://", "https://")):
        return ok(f"{uri}, which needs no server")
    try:
        reply = ask(f"{uri.rstrip('/')}/version", headers=_login(context), ca=places.mlflow(context).ca(context))
    except Unreachable as error:
        return fail(
            f"MLflow at {uri} does not answer: {error}", "Check MLFLOW_TRACKING_URI, the server and the network policy."
        )
    if reply.status in (401, 403):
        given = "are refused" if _login(context) else "are missing"
        return fail(
            f"MLflow at {uri} answers HTTP {reply.status}: credentials {given}",
            "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, from a secret.",
        )
    return _of_version(uri, reply.status, reply.body.decode(errors="replace").strip())


def _of_version(uri: str, status: int, said: str) -> Finding:
    found = re.fullmatch(r"(\d+)\.(\d+)[\w.+-]*", said)
    if status != 200 or found is None:
        return fail(
            f"{uri}/version answers HTTP {status} and no version: {said[:80]!r}",
            "Name an MLflow server in MLFLOW_TRACKING_URI: its address, without the path of its pages.",
        )
    version = (int(found[1]), int(found[2]))
    if version < OLDEST:
        return fail(f"MLflow {said} at {uri}", f"Upgrade it to {OLDEST[0]}.{OLDEST[1]} or later: it has no aliases.")
    if version < WEBHOOKS:
        return warn(
            f"MLflow {said} at {uri} has no webhooks", "`ratchet trigger serve` polls it; 3.3 and later also call."
        )
    return ok(f"MLflow {said} at {uri}")


def experiment(context: Context) -> Finding:
    """That runs can be written: the loop's experiment is found, or made as its first round would. begin leaves that to the round."""
    client = _client(context)
    name = context.asked.loop or SCRATCH
    with _refusals("find or create experiments") as said:
        found = client.get_experiment_by_name(name)
        if found is None and context.beginning:
            return ok(f"experiment {name} is not there yet: the round makes it")
        number = found.experiment_id if found is not None else client.create_experiment(name)
        if found is not None and found.lifecycle_stage != "active":
            return fail(f"experiment {name} is deleted", f"Restore it: `mlflow experiments restore -x {number}`.")
        client.search_runs([str(number)], max_results=1)
    return said[0] if said else ok(f"experiment {name} ({'found' if found is not None else 'made'})")


def rights(context: Context) -> Finding:
    """A registered model of its own: made, given a version, an alias and a tag, and deleted. begin only reads the loop's."""
    if context.beginning:
        return _readable(context)
    client, name = _client(context), f"{SCRATCH_MODELS}{uuid.uuid4().hex[:12]}"
    uri = context.places.root if context.places.root.startswith("s3://") else "s3://bucket/none"
    try:
        with _refusals("register a model, give it an alias and a tag, and delete it") as said:
            client.create_registered_model(name, description="made by `ratchet preflight`, and deleted at once")
            made = client.create_model_version(name, f"{uri.rstrip('/')}/preflight", await_creation_for=0)
            client.set_model_version_tag(name, made.version, "ratchet.preflight", "1")
            client.set_registered_model_alias(name, CHAMPION, made.version)
            client.get_model_version_by_alias(name, CHAMPION)
            client.delete_registered_model_alias(name, CHAMPION)
            client.delete_registered_model(name)
    finally:
        with suppress(Exception):
            client.delete_registered_model(name)
    return said[0] if said else ok("a model was registered, tagged, given an alias, and deleted")


def _readable(context: Context) -> Finding:
    """Every round asks, so nothing is written here: a model that comes and goes is a webhook to whoever listens."""
    from mlflow.exceptions import MlflowException

    client, name = _client(context), context.loop
    with _refusals("read registered models") as said:
        try:
            client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return ok(f"there is no registered model {name} yet")
    return said[0] if said else ok(f"registered model {name} can be read")


@contextmanager
def _refusals(what: str) -> Iterator[list[Finding]]:
    """MLflow's refusal as a finding, told after the block."""
    from mlflow.exceptions import MlflowException

    said: list[Finding] = []
    try:
        yield said
    except MlflowException as error:
        words = " ".join(str(error.message).split())[:300]
        denied = error.error_code in ("PERMISSION_DENIED", "UNAUTHENTICATED") or re.search(
            r"\b40[13]\b|ermission", words
        )
        fix = _RIGHTS if denied else "Look at the MLflow server's log, then check again."
        said.append(fail(f"MLflow does not let us {what}: {words}", fix))


def _client(context: Context) -> Any:
    from mlflow import MlflowClient

    from ratchet.registry.mlflow_registry import MlflowRegistry

    # It gives MLflow the manners that rounds have: seconds of patience, not minutes.
    uri = MlflowRegistry(context.places.registry).uri
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _login(context: Context) -> dict[str, str]:
    """The header that MLflow's client sends."""
    env = context.environment
    if token := env.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if name := env.get("MLFLOW_TRACKING_USERNAME"):
        both = f"{name}:{env.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": f"Basic {b64encode(both.encode()).decode()}"}
    return {}


_SLOW = 60.0
"""Each makes several requests, which a busy MLflow answers in seconds."""
CHECKS = (
    Check("mlflow", "MLflow answers, and its version", server, ("mlflow",), begins=True),
    Check(
        "experiment",
        "runs can be written",
        experiment,
        ("mlflow",),
        ("mlflow",),
        ("mlflow",),
        begins=True,
        limit=_SLOW,
    ),
    Check(
        "registry",
        "models can be registered and aliases moved",
        rights,
        ("mlflow",),
        ("mlflow",),
        ("mlflow",),
        begins=True,
        limit=_SLOW,
    ),
)
