"""Which model a person means: a registered version, or a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ratchet import sources
from ratchet.artifacts import ModelRef
from ratchet.begin.stage import as_ref
from ratchet.errors import ModelError
from ratchet.model_files import describe, files_digest
from ratchet.registry.base import CHAMPION, ModelVersion, Registry
from ratchet.store import Store

_VERSION = re.compile(r"(?:models:/)?(?P<name>[a-z0-9][a-z0-9-]{0,62})(?:/(?P<version>\d+)|@(?P<alias>\w+))")


@dataclass(frozen=True)
class Named:
    """A model and what to call it. `loop` is where a registered version belongs; `version` its number there."""

    label: str
    model: ModelRef | Path
    digest: str
    loop: str | None = None


def named(given: str, store: Store, registry: Registry, loop: str | None = None) -> Named:
    """`given` is models:/name@champion, models:/name/3, name/3, name@champion, with `loop` also 3 and champion, or a folder.

    Raises ModelError for what is none of these, RegistryError for a version that there is not.
    """
    text = given
    if loop is not None and (given.isdecimal() or given == CHAMPION):
        text = f"{loop}/{given}" if given.isdecimal() else f"{loop}@{given}"
    found = _VERSION.fullmatch(text)
    if found is not None and not Path(given).is_dir():
        return _registered(_version(found, registry))
    if "://" in given or Path(given).is_dir():
        return _folder(given, store, registry)
    raise ModelError(
        f"{given!r} names no model: give models:/name@{CHAMPION}, name/3, a folder, or with --loop a version's number or {CHAMPION}."
    )


def _version(found: re.Match[str], registry: Registry) -> ModelVersion:
    name = found["name"]
    if found["version"] is not None:
        return registry.version(name, found["version"])
    if found["alias"] != CHAMPION:
        raise ModelError(
            f"only the alias {CHAMPION} means anything to ratchet, not {found['alias']!r}; name a version: {name}/1."
        )
    version = registry.champion(name)
    if version is None:
        raise ModelError(f"{name} has no champion in {registry.uri}; name a version, such as {name}/1.")
    return version


def _registered(version: ModelVersion) -> Named:
    ref = as_ref(version)
    return Named(f"{version.name} version {version.version}", ref, ref.digest, version.name)


def _folder(given: str, store: Store, registry: Registry) -> Named:
    folder, description = sources.fetch_model(given, store, registry)
    return Named(description, Path(folder), files_digest(describe(Path(folder))))
