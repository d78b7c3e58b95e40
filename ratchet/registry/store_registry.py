"""A registry in the store itself: for laptops, tests, and whoever runs no MLflow.

registry/<name>/versions/0003.json    the version, made by a conditional put on the next number
registry/<name>/metrics/0003.json
registry/<name>/cards/0003.md
registry/<name>/runs/0007.json        the run of round 7: state, tags, metrics
registry/<name>/champion.json         the alias, changed only if it still has the etag that was read
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from ratchet import canonical
from ratchet.errors import Conflict, NotFound, RegistryError
from ratchet.registry.base import (
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
from ratchet.store import Store

TRIES = 50
RUNNING = "RUNNING"


class StoreRegistry:
    """`Registry` over a store; its alias moves are atomic."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def uri(self) -> str:
        return self._store.uri("registry")

    def champion(self, name: str) -> ModelVersion | None:
        found, _ = self._read(f"{_folder(name)}/champion.json")
        return None if found is None else self.version(name, str(found["version"]))

    def version(self, name: str, version: str) -> ModelVersion:
        found, _ = self._read(_version_key(name, version))
        if found is None:
            known = ", ".join(v.version for v in self.versions(name)) or "none"
            raise RegistryError(
                f"{name} has no version {version!r} in {self.uri} (it has: {known}); give one of those."
            )
        return _parsed(found, self._store.uri(_version_key(name, version)))

    def versions(self, name: str) -> list[ModelVersion]:
        found = []
        for stat in self._store.list(f"{_folder(name)}/versions/"):
            content, _ = self._read(self._store.key(stat.uri))
            if content is not None:
                found.append(_parsed(content, stat.uri))
        return sorted(found, key=lambda v: int(v.version))

    def register(self, name: str, uri: str, digest: str, lineage: Lineage | None = None) -> ModelVersion:
        lineage = lineage or Lineage()
        tags = {**lineage.tags, DIGEST: digest}
        for _ in range(TRIES):
            known = self.versions(name)
            made = find_registered(known, digest, tags)
            if made is None:
                number = int(known[-1].version) + 1 if known else 1
                made = ModelVersion(
                    name=name, version=str(number), uri=uri, digest=digest, tags=tags, created=datetime.now(UTC)
                )
                if not self._write(_version_key(name, made.version), made.model_dump(mode="json"), None):
                    continue
            self.log_metrics(name, made.version, lineage.metrics)
            return made
        raise RegistryError(
            f"{self.uri} changes too fast to register {name}: too many processes register at once; try again."
        )

    def set_champion(self, name: str, version: str, *, expected: str | None) -> bool:
        self.version(name, version)
        key = f"{_folder(name)}/champion.json"
        found, etag = self._read(key)
        if (found["version"] if found else None) != expected:
            return False
        return self._write(key, {"version": version}, etag)

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        self.version(name, version)
        self._merge(_version_key(name, version), lambda content: {**content, "tags": {**content["tags"], **tags}})

    def log_metrics(self, name: str, version: str, metrics: Mapping[str, float]) -> None:
        if metrics:
            self._merge(_metrics_key(name, version), lambda content: {**content, **metrics})

    def log_curves(self, name: str, version: str, curves: Mapping[str, Curve]) -> None:
        if curves:
            points = {key: [list(point) for point in curve] for key, curve in curves.items()}
            self._merge(_curves_key(name, version), lambda content: {**content, **points})

    def describe(self, name: str, version: str, card: str) -> None:
        self.version(name, version)
        self._store.put(f"{_folder(name)}/cards/{_number(version)}.md", card.encode())

    def keep_page(self, name: str, version: str, file: str, page: str) -> None:
        self.version(name, version)
        self._store.put(f"{_folder(name)}/pages/{_number(version)}/{file}", page.encode())

    def given_run(self) -> str | None:
        return None

    def open_run(self, name: str, tags: Mapping[str, str]) -> str:
        run, fresh = f"{_folder(name)}/runs/{_number(tags[ROUND])}.json", {"started": datetime.now(UTC).timestamp()}
        self._merge(run, lambda known: {**fresh, **known, "state": RUNNING, "tags": {**known.get("tags", {}), **tags}})
        return run

    def log_run(self, run: str, metrics: Mapping[str, float]) -> None:
        self._merge(run, lambda known: {**known, "metrics": {**known.get("metrics", {}), **metrics}})

    def end_run(self, run: str, state: RunState, tags: Mapping[str, str]) -> None:
        self._merge(run, lambda known: {**known, "state": state, "tags": {**known.get("tags", {}), **tags}})

    def running(self, name: str) -> list[TrackedRun]:
        found = [self.run(self._store.key(one.uri)) for one in self._store.list(f"{_folder(name)}/runs/")]
        return [
            TrackedRun(run=run, round=int(one["tags"][ROUND]), started=datetime.fromtimestamp(one["started"], UTC))
            for run, one in ((str(one["run"]), one) for one in found)
            if one["state"] == RUNNING
        ]

    def run(self, run: str) -> dict[str, Any]:
        """What is known of a run: its `state`, `tags` and `metrics`. Raises RegistryError when there is none."""
        found, _ = self._read(run)
        if found is None:
            raise RegistryError(f"{self.uri} has no run {run}; runs are made by `open_run`.")
        return {**found, "run": run}

    def curves(self, name: str, version: str) -> dict[str, list[tuple[int, float]]]:
        """The curves that were logged for a version."""
        found = self._read(_curves_key(name, version))[0] or {}
        return {key: [(int(step), float(value)) for step, value in curve] for key, curve in found.items()}

    def metrics(self, name: str, version: str) -> dict[str, float]:
        """What was logged for a version."""
        return self._read(_metrics_key(name, version))[0] or {}

    def _merge(self, key: str, change: Any) -> None:
        for _ in range(TRIES):
            content, etag = self._read(key)
            if self._write(key, change(content or {}), etag):
                return
        raise RegistryError(f"{self._store.uri(key)} changes too fast to be written; try again.")

    def _read(self, key: str) -> tuple[dict[str, Any] | None, str | None]:
        """Content and etag, both from one state of the object; (None, None) where there is none."""
        while True:
            stat = self._store.stat(key)
            if stat is None:
                return None, None
            try:
                content = canonical.loads(self._store.get(key))["content"]
            except NotFound:
                continue
            except (ValueError, KeyError, TypeError) as error:
                raise RegistryError(
                    f"{stat.uri} is no registry entry ({error}): another program wrote there; remove it."
                ) from error
            again = self._store.stat(key)
            if again is not None and again.etag == stat.etag:
                return content, stat.etag

    def _write(self, key: str, content: Mapping[str, Any], etag: str | None) -> bool:
        # The token keeps two writers of equal content apart: see Store.put_if.
        data = canonical.pretty({"content": content, "token": uuid.uuid4().hex})
        try:
            self._store.put_if(key, data, absent=etag is None, etag=etag)
        except Conflict:
            return False
        return True


def _folder(name: str) -> str:
    return f"registry/{check_loop_name(name)}"


def _version_key(name: str, version: str) -> str:
    return f"{_folder(name)}/versions/{_number(version)}.json"


def _metrics_key(name: str, version: str) -> str:
    return f"{_folder(name)}/metrics/{_number(version)}.json"


def _curves_key(name: str, version: str) -> str:
    return f"{_folder(name)}/curves/{_number(version)}.json"


def _number(version: str) -> str:
    if not version.isdecimal():
        raise RegistryError(f"version {version!r} is no number; versions are 1, 2, 3 and so on.")
    return f"{int(version):04d}"


def _parsed(content: Mapping[str, Any], where: str) -> ModelVersion:
    try:
        return ModelVersion.model_validate(content)
    except ValidationError as error:
        raise RegistryError(
            f"{where} is no model version: {error}. Remove it, or use the ratchet that wrote it."
        ) from error
