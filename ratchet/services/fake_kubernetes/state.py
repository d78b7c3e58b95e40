"""What a Kubernetes API server keeps: objects with versions, a history for watches, and who owns whom.

As in the real one: a write with an old resourceVersion is a Conflict; deletion in the foreground waits for what the object
owns, and any deletion for finalizers; what no owner is left of is collected.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ratchet.services.fake_kubernetes.schemas import ObjectSchema

Object = dict[str, Any]
FOREGROUND = "foregroundDeletion"


@dataclass(frozen=True)
class Kind:
    """A kind of object. `group` is "" for the core API; without a schema its objects are taken as they come."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    schema: ObjectSchema | None = None
    status: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


class Refused(Exception):
    """An answer that is no success: HTTP code, Kubernetes' reason, and a message."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class Change:
    """One event of a watch: ADDED, MODIFIED or DELETED."""

    version: int
    kind: Kind
    type: str
    object: Object


class State:
    """All objects. Every method is atomic; `changed` wakes whoever waits for a change."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 1
        self.forgotten = 0
        self.history: list[Change] = []
        self._objects: dict[tuple[Kind, str, str], Object] = {}

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        with self.lock:
            found = self._objects.get((kind, namespace, name))
            if found is None:
                raise Refused(404, "NotFound", f'{kind.plural} "{name}" not found')
            return deepcopy(found)

    def list(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """In the order of their names; of all namespaces when none is given."""
        with self.lock:
            keys = [k for k in self._objects if k[0] == kind and namespace in (None, k[1])]
            return [deepcopy(self._objects[key]) for key in sorted(keys, key=lambda key: key[1:])]

    def create(
        self, kind: Kind, namespace: str, given: Mapping[str, Any], *, strict: bool = False, dry: bool = False
    ) -> Object:
        """Keep a new object, unless `dry`. Raises Refused: 409 for a name that is taken, 422 for what the schema refuses, 400 for unknown fields if strict."""
        made = _admitted(kind, given, strict=strict)
        metadata = made.setdefault("metadata", {})
        if "name" not in metadata:
            metadata["name"] = f"{metadata.pop('generateName')}{uuid.uuid4().hex[:5]}"
        with self.changed:
            if (kind, namespace, metadata["name"]) in self._objects:
                raise Refused(409, "AlreadyExists", f'{kind.plural} "{metadata["name"]}" already exists')
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
            if kind.namespaced:
                metadata["namespace"] = namespace
            if kind.schema is not None and kind.status:
                made.pop("status", None)
            made |= {"apiVersion": kind.api_version, "kind": kind.kind}
            return made if dry else self._store(kind, namespace, made, "ADDED")

    def update(
        self, kind: Kind, namespace: str, name: str, change: Callable[[Object], Object | None], *, status: bool = False
    ) -> Object:
        """Apply `change` to a copy, in place or returned; only its status, or all but its status, counts.

        Raises Refused: 404, 409 when the changed object carries another resourceVersion, 422 as in `create`.
        """
        with self.changed:
            old = self.get(kind, namespace, name)
            copy = deepcopy(old)
            new = change(copy) or copy
            if new["metadata"].get("resourceVersion", "") not in ("", old["metadata"]["resourceVersion"]):
                raise Refused(409, "Conflict", f'{kind.plural} "{name}" has been modified; read it again')
            if kind.schema is not None and kind.status:
                new = {**old, "status": new.get("status", {})} if status else {**new, "status": old.get("status", {})}
                if not new["status"]:
                    del new["status"]
            new = _admitted(kind, new)
            if kind.schema is not None and (fixed := kind.schema.changed(old, new)):
                raise Refused(422, "Invalid", f'{kind.kind} "{name}" is invalid: {fixed[0]}: field is immutable')
            if new.get("spec") != old.get("spec"):
                new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
            if new == old:
                return old
            stored = self._store(kind, namespace, new, "MODIFIED")
            self._collect()
            return stored

    def delete(self, kind: Kind, namespace: str, name: str, options: Mapping[str, Any] | None = None) -> Object:
        """As the options say: propagationPolicy Foreground, Background (default) or Orphan, and preconditions."""
        given = options or {}
        with self.changed:
            found = self.get(kind, namespace, name)
            for field, value in (given.get("preconditions") or {}).items():
                if value is not None and found["metadata"].get(field) != value:
                    raise Refused(409, "Conflict", f"precondition {field} {value} failed")
            finalizers = found["metadata"].get("finalizers", [])
            if given.get("propagationPolicy") == "Foreground" and FOREGROUND not in finalizers:
                finalizers = [*finalizers, FOREGROUND]
            if finalizers:
                found["metadata"] |= {"finalizers": finalizers, "deletionTimestamp": now()}
                self._store(kind, namespace, found, "MODIFIED")
            else:
                self._remove(kind, namespace, name)
            self._collect()
            return found

    def forget_history(self) -> None:
        """As etcd does after some minutes: who watches from before now is told 410 Gone."""
        with self.changed:
            self.forgotten, self.history = self.version, []
            self.changed.notify_all()

    def _store(self, kind: Kind, namespace: str, value: Object, what: str) -> Object:
        self.version += 1
        value["metadata"]["resourceVersion"] = str(self.version)
        if what != "DELETED":
            self._objects[kind, namespace, value["metadata"]["name"]] = deepcopy(value)
        self.history.append(Change(self.version, kind, what, deepcopy(value)))
        self.changed.notify_all()
        return deepcopy(value)

    def _remove(self, kind: Kind, namespace: str, name: str) -> None:
        self._store(kind, namespace, self._objects.pop((kind, namespace, name)), "DELETED")

    def _collect(self) -> None:
        """Delete what has lost its owners or whose owner goes in the foreground, and then that owner."""
        while (due := next(self._due(), None)) is not None:
            found = self._objects[due]
            if set(found["metadata"].get("finalizers", ())) - {FOREGROUND}:
                found["metadata"]["deletionTimestamp"] = now()
                self._store(due[0], due[1], found, "MODIFIED")
            else:
                self._remove(*due)

    def _due(self) -> Iterator[tuple[Kind, str, str]]:
        alive = {value["metadata"]["uid"]: value for value in self._objects.values()}
        for key, value in self._objects.items():
            metadata = value["metadata"]
            held = bool(set(metadata.get("finalizers", ())) - {FOREGROUND})
            if held and _going(value):
                continue
            owners = metadata.get("ownerReferences", [])
            left = [alive[owner["uid"]] for owner in owners if owner["uid"] in alive]
            going = [o for o in left if FOREGROUND in o["metadata"].get("finalizers", ()) and _going(o)]
            if (owners and len(going) == len(left)) or (_going(value) and not self._owns(metadata["uid"])):
                yield key

    def _owns(self, uid: str) -> bool:
        owners = (o for value in self._objects.values() for o in value["metadata"].get("ownerReferences", ()))
        return any(owner["uid"] == uid for owner in owners)


def _going(value: Object) -> bool:
    return "deletionTimestamp" in value["metadata"]


def _admitted(kind: Kind, given: Mapping[str, Any], *, strict: bool = False) -> Object:
    if kind.schema is None:
        return deepcopy(dict(given))
    unknown = kind.schema.unknown(given)
    if strict and unknown:
        told = ", ".join(f'unknown field "{name}"' for name in unknown)
        raise Refused(400, "BadRequest", f"strict decoding error: {told}")
    kept = kind.schema.pruned(given)
    complaints = kind.schema.complaints(kept)
    if complaints:
        raise Refused(422, "Invalid", f"{kind.kind} is invalid: {'; '.join(complaints)}")
    return kept


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
