"""MLflow as the registry: versions whose source is our store's URI, a run a round, and the one alias.

Weights never pass through MLflow. Only `get_model_version_by_alias` is trusted for aliases: search results may lack them.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from ratchet.errors import RegistryError, RegistryUnavailable
from ratchet.registry import mlflow_runs
from ratchet.registry.base import (
    CHAMPION,
    DIGEST,
    ROUND,
    Curve,
    Lineage,
    ModelVersion,
    RunState,
    TrackedRun,
    find_registered,
)
from ratchet.rounds import check_loop_name
from ratchet.settings import without_login

# MLflow's own patience is minutes. With these a server that is down is reported within half a minute. It also prints and
# reports usage unless told not to. Whoever sets the variables is obeyed.
MANNERS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
BATCH = 100
POINTS = 1000
# As many as MLflow takes in one request.
# How often a tag that another process has just written is looked at again.
TAG_TURNS = 5
VALUE_CHARS = 500
DESCRIPTION_CHARS = 5000
CARD_FILE = "card.md"
_NO_METRIC_NAME = re.compile(r"[^\w./ -]")


class MlflowRegistry:
    """`Registry` over an MLflow server, or any tracking URI that MLflow knows."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        # Some are read when mlflow is imported, so before that.
        for key, value in MANNERS.items():
            os.environ.setdefault(key, value)

    @property
    def uri(self) -> str:
        """Where the server is; a user and password that its address names stay out of messages and of what is stored."""
        return without_login(self._uri)

    def champion(self, name: str) -> ModelVersion | None:
        from mlflow.exceptions import MlflowException

        check_loop_name(name)
        with self._asking(f"say which version of {name} is champion"):
            try:
                return _version(self._client.get_model_version_by_alias(name, CHAMPION))
            except MlflowException as error:
                if _is_absent(error):
                    return None
                raise

    def version(self, name: str, version: str) -> ModelVersion:
        with self._asking(f"show {name} version {version}"):
            return _version(self._client.get_model_version(check_loop_name(name), version))

    def versions(self, name: str) -> list[ModelVersion]:
        found: list[ModelVersion] = []
        token = None
        with self._asking(f"list the versions of {name}"):
            while True:
                page = self._client.search_model_versions(f"name='{check_loop_name(name)}'", page_token=token)
                found.extend(_version(one) for one in page)
                token = page.token
                if not token:
                    return sorted(found, key=lambda v: int(v.version))

    def register(self, name: str, uri: str, digest: str, lineage: Lineage | None = None) -> ModelVersion:
        lineage = lineage or Lineage()
        tags = {**lineage.tags, DIGEST: digest}
        known = find_registered(self.versions(name), digest, tags)
        if known is not None:
            return known
        with self._asking(f"register {uri} as a version of {name}"):
            self._ensure_model(name)
            run, alone = mlflow_runs.of_version(self._client, name, tags, lineage.run)
            self._log(run, lineage)
            if alone:
                self._client.set_terminated(run, "FINISHED")
            made = _version(self._client.create_model_version(name, uri, run_id=run, tags=tags, await_creation_for=0))
        # A request that MLflow repeated for us, or another process, may have made one more: all take the oldest.
        return find_registered(self.versions(name), digest, tags) or made

    def set_champion(self, name: str, version: str, *, expected: str | None) -> bool:
        """MLflow has no compare-and-set: this looks first, and the promotion log keeps two movers apart."""
        now = self.champion(name)
        if (now.version if now else None) != expected:
            return False
        with self._asking(f"make version {version} of {name} champion"):
            self._client.set_registered_model_alias(name, CHAMPION, version)
        return True

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        from mlflow.exceptions import MlflowException

        with self._asking(f"tag version {version} of {name}"):
            for turn in range(TAG_TURNS):
                known = self._client.get_model_version(name, version).tags
                try:
                    for key, value in tags.items():
                        if known.get(key) != value:
                            self._client.set_model_version_tag(name, version, key, value)
                    return
                except MlflowException as error:
                    # Two that settle the same promotion insert the same tag, and MLflow refuses the second as a duplicate row.
                    if not re.search("unique|duplicate", str(error.message), re.I) or turn == TAG_TURNS - 1:
                        raise

    def log_metrics(self, name: str, version: str, metrics: Mapping[str, float]) -> None:
        with self._asking(f"log metrics of {name} version {version}"):
            found = self._client.get_model_version(name, version)
            if found.run_id:
                self._log(found.run_id, Lineage(metrics=dict(metrics), tags={ROUND: found.tags.get(ROUND, "0")}))

    def log_curves(self, name: str, version: str, curves: Mapping[str, Curve]) -> None:
        from mlflow.entities import Metric

        with self._asking(f"log curves of {name} version {version}"):
            found = self._client.get_model_version(name, version)
            if not found.run_id:
                return
            # The version's own time, not now: MLflow keeps one of two points that are equal in all.
            moment = int(found.creation_timestamp)
            points = [
                Metric(_NO_METRIC_NAME.sub("_", key), value, moment, step)
                for key, curve in sorted(curves.items())
                for step, value in curve
            ]
            for start in range(0, len(points), POINTS):
                self._client.log_batch(found.run_id, metrics=points[start : start + POINTS])

    def describe(self, name: str, version: str, card: str) -> None:
        """As the version's description, without its YAML head and as much as fits, and whole as an artifact of its run."""
        body = card.split("\n---\n", 1)[-1].strip()
        if len(body) > DESCRIPTION_CHARS:
            body = f"{body[: DESCRIPTION_CHARS - 60].rsplit(chr(10), 1)[0]}\n\nThe rest is in the artifact {CARD_FILE}."
        with self._asking(f"describe version {version} of {name}"):
            found = self._client.get_model_version(name, version)
            self._client.update_model_version(name, version, description=body)
            if found.run_id:
                self._client.log_text(found.run_id, card, CARD_FILE)

    def keep_page(self, name: str, version: str, file: str, page: str) -> None:
        """As an artifact of the version's run, which MLflow shows in place."""
        with self._asking(f"keep {file} with {name} version {version}"):
            found = self._client.get_model_version(name, version)
            if found.run_id:
                self._client.log_text(found.run_id, page, f"report/{file}")

    def given_run(self) -> str | None:
        if mlflow_runs.GIVEN not in os.environ:
            return None
        with self._asking("show the run that the platform gives"):
            return mlflow_runs.given(self._client)

    def open_run(self, name: str, tags: Mapping[str, str]) -> str:
        with self._asking(f"open the run of round {tags.get(ROUND)} of {check_loop_name(name)}"):
            return mlflow_runs.open_round(self._client, name, tags)

    def log_run(self, run: str, metrics: Mapping[str, float]) -> None:
        with self._asking(f"log metrics of run {run}"):
            self._log(run, Lineage(metrics=dict(metrics)))

    def end_run(self, run: str, state: RunState, tags: Mapping[str, str]) -> None:
        with self._asking(f"end run {run} as {state}"):
            mlflow_runs.end(self._client, run, state, tags)

    def running(self, name: str) -> list[TrackedRun]:
        with self._asking(f"list the running runs of {check_loop_name(name)}"):
            return mlflow_runs.running(self._client, name)

    @cached_property
    def _client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _log(self, run: str, lineage: Lineage) -> None:
        from mlflow.entities import Metric, Param

        # Parameters of a run never change, and a second value would be refused; a shared run keeps its first.
        known = self._client.get_run(run).data.params if lineage.params else {}
        params = [Param(k, v[:VALUE_CHARS]) for k, v in sorted(lineage.params.items()) if k not in known]
        moment, step = int(time.time() * 1000), int(lineage.tags.get(ROUND, "0"))
        metrics = [Metric(_NO_METRIC_NAME.sub("_", k), v, moment, step) for k, v in sorted(lineage.metrics.items())]
        for start in range(0, len(params), BATCH):
            self._client.log_batch(run, params=params[start : start + BATCH])
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(run, metrics=metrics[start : start + BATCH])
        if lineage.datasets:
            self._client.log_inputs(run, [_dataset(*one) for one in lineage.datasets])

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn MLflow's exceptions into ours; `what` completes "MLflow was asked to"."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            said = without_login(" ".join(str(error.message).split()))[:400]
            if _is_unreachable(error):
                raise RegistryUnavailable(
                    f"MLflow at {self.uri} did not answer when asked to {what}: {said}. Check that the server runs and that "
                    "MLFLOW_TRACKING_URI names it; `ratchet promote` completes the round later, nothing is lost."
                ) from error
            hint = ""
            if "Invalid model version source" in said:
                hint = " An MLflow server takes no local folders: use an s3:// root, or RATCHET_REGISTRY=store."
            raise RegistryError(f"MLflow at {self.uri} refused to {what}: {said}.{hint}") from error


def _version(found: Any) -> ModelVersion:
    tags = {str(k): str(v) for k, v in found.tags.items()}
    return ModelVersion(
        name=found.name,
        version=str(found.version),
        uri=found.source,
        digest=tags.get(DIGEST, ""),
        tags=tags,
        created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
    )


def _dataset(name: str, uri: str, digest: str) -> Any:
    from mlflow.entities import Dataset, DatasetInput

    # MLflow allows 36 characters of digest.
    return DatasetInput(Dataset(name=name, digest=digest[:36], source_type="ratchet", source=uri), [])


def _is_absent(error: Any) -> bool:
    """No such model, or no such alias: MLflow has a code for the first and only words for the second."""
    words = str(error.message).lower()
    return error.error_code == "RESOURCE_DOES_NOT_EXIST" or ("alias" in words and "not found" in words)


def _is_unreachable(error: Any) -> bool:
    """Whether asking again later may help: no connection, a time-out, a proxy's 502 to 504, a database that is away."""
    words = str(error.message)
    if error.error_code in ("TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED"):
        return True
    return (
        "failed with exception" in words
        or "failed with timeout exception" in words
        or bool(re.search(r"failed with error code (429|50[234])", words))
    )
