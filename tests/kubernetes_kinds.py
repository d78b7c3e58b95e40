"""Built-in kinds of Kubernetes against kubernetes-validate's strict schemas, a release's definitions read once: its own
`validate` reads megabytes for every object."""

from __future__ import annotations

from functools import cache
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

VERSIONS = ("1.31", "1.34", "1.37")


@cache
def _registry(version: str) -> Any:
    definitions = schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/_definitions.json", version)
    return Resource.from_contents(definitions) @ Registry()


@cache
def _validator(version: str, kind: str, api_version: str) -> Any:
    group, _, number = api_version.rpartition("/")
    short = f"{group.split('.')[0]}-{number}" if group else number
    file = f"kubernetes-json-schema/v{version}.0-local-strict/{kind.lower()}-{short}.json"
    schema = schema_contents(file, version)
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _registry(version))


def complaints(value: dict[str, Any], version: str) -> list[str]:
    """What release `version` does not accept; unknown fields too."""
    assert f"{version}.0" in kubernetes_validate.utils.all_versions()
    found = _validator(version, value["kind"], value["apiVersion"]).iter_errors(value)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]
