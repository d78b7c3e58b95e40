"""A version's files, from the store to a pod's disk."""

from __future__ import annotations

from pathlib import Path

from ratchet.artifacts.manifest import ModelRef
from ratchet.errors import ModelError
from ratchet.registry import open_registry
from ratchet.settings import Settings
from ratchet.store import open_store


def fetch_version(settings: Settings, loop: str, version: str, to: Path, digest: str = "") -> Path:
    """Make `to` a link to the version's folder in RATCHET_CACHE. Raises ModelError when its digest is not `digest`."""
    from ratchet import models

    store = open_store(settings.root)
    found = open_registry(settings, store).version(loop, version)
    if digest and found.digest != digest:
        raise ModelError(
            f"version {version} of {loop} has digest {found.digest[:12]}, and {digest[:12]} was asked for: the registry is not the one "
            "that the served model came from. Run `ratchet serving follow` again."
        )
    folder = models.fetch(store, ModelRef(name=loop, version=version, uri=found.uri, digest=found.digest))
    to.parent.mkdir(parents=True, exist_ok=True)
    to.unlink(missing_ok=True)
    to.symlink_to(folder)
    return to
