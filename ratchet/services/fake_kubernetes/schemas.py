"""From a CustomResourceDefinition to a check of its objects: its structural schema as JSON Schema.

What Kubernetes does and JSON Schema does not say: objects are closed (unknown fields are pruned, or refused under strict
validation), int-or-string, nullable, lists that are maps by a key, defaults, and fields that never change. Other rules in
CEL are not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

_KEPT = ("enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties")
_IMMUTABLE = "self == oldSelf"
Schema = Mapping[str, Any]


def _map_keys(_: Any, keys: Sequence[str], items: Any, __: Schema) -> Iterator[ValidationError]:
    seen = [tuple(item.get(key) for key in keys) for item in items] if isinstance(items, list) else []
    for one in {one for one in seen if seen.count(one) > 1}:
        yield ValidationError(f"duplicate value: {dict(zip(keys, one, strict=True))}")


_Validator = extend(Draft202012Validator, {"x-kubernetes-list-map-keys": _map_keys})


class ObjectSchema:
    """The schema of one version of one kind."""

    def __init__(self, structural: Schema) -> None:
        self._structural = structural
        self._closed = _Validator(_converted(structural, top=True))

    def complaints(self, value: Mapping[str, Any]) -> list[str]:
        """What is wrong with an object, as "spec.trainer.numNodes: 'two' is not of type 'integer'"; unknown fields too."""
        return sorted(f"{_path(error)}: {error.message}" for error in self._closed.iter_errors(value))

    def unknown(self, value: Mapping[str, Any]) -> list[str]:
        """The fields that the schema does not have."""
        return list(_unknown(self._structural, value, "", top=True))

    def pruned(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """A copy without unknown fields and with defaults, as a server stores it."""
        kept: dict[str, Any] = _pruned(self._structural, deepcopy(dict(value)), top=True)
        return kept

    def changed(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        """The fields that differ though the schema says that they never change."""
        return list(_changed(self._structural, old, new, ""))


def crd_versions(crd: Mapping[str, Any]) -> Iterator[tuple[str, ObjectSchema]]:
    """The served versions of a CustomResourceDefinition, with their schemas."""
    for version in crd["spec"]["versions"]:
        if version.get("served", True):
            yield version["name"], ObjectSchema(version["schema"]["openAPIV3Schema"])


def _open(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-preserve-unknown-fields")) or "additionalProperties" in schema


def _converted(schema: Schema, *, top: bool = False) -> dict[str, Any]:
    found = {name: schema[name] for name in _KEPT if name in schema}
    if schema.get("x-kubernetes-int-or-string"):
        found["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    elif "type" in schema:
        found["type"] = schema["type"]
    if "x-kubernetes-list-map-keys" in schema:
        found["x-kubernetes-list-map-keys"] = schema["x-kubernetes-list-map-keys"]
    if schema.get("type") == "object":
        _convert_object(schema, found, top=top)
    if "items" in schema:
        found["items"] = _converted(schema["items"])
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") else found


def _convert_object(schema: Schema, found: dict[str, Any], *, top: bool) -> None:
    properties = {name: _converted(value) for name, value in schema.get("properties", {}).items()}
    if top:
        # Every object has these, and what metadata may hold is no business of a schema.
        properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    found["properties"] = properties
    found["required"] = list(schema.get("required", ()))
    more = schema.get("additionalProperties", _open(schema))
    found["additionalProperties"] = _converted(more) if isinstance(more, Mapping) else bool(more)


def _path(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "the object"


def _unknown(schema: Schema, value: Any, at: str, *, top: bool = False) -> Iterator[str]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unknown(schema.get("items", {}), item, f"{at}[{number}]")
    if not isinstance(value, Mapping):
        return
    properties = schema.get("properties", {})
    for name, inner in value.items():
        if top and name in ("apiVersion", "kind", "metadata"):
            continue
        if name in properties:
            yield from _unknown(properties[name], inner, f"{at}.{name}".lstrip("."))
        elif not _open(schema):
            yield f"{at}.{name}".lstrip(".")


def _pruned(schema: Schema, value: Any, *, top: bool = False) -> Any:
    if isinstance(value, list):
        return [_pruned(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    if not properties and _open(schema):
        return value
    kept = {}
    for name, inner in value.items():
        if top and name in ("apiVersion", "kind", "metadata"):
            kept[name] = inner
        elif name in properties:
            kept[name] = _pruned(properties[name], inner)
        elif _open(schema):
            kept[name] = inner
    for name, inner in properties.items():
        if "default" in inner and name not in kept:
            kept[name] = deepcopy(inner["default"])
    return kept


def _changed(schema: Schema, old: Any, new: Any, at: str) -> Iterator[str]:
    rules = [rule.get("rule") for rule in schema.get("x-kubernetes-validations", ())]
    if _IMMUTABLE in rules and old is not None and old != new:
        yield at
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name, inner in schema.get("properties", {}).items():
            yield from _changed(inner, old.get(name), new.get(name), f"{at}.{name}".lstrip("."))
