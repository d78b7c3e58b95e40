"""Whether the registry that answers is the one that a loop's versions are in: an empty or another one would free all weights.

A version that is not champion, and was not the last one that the alias moved to, is a person's to delete, and its weights go. A loop
without versions or champion, the last move's target missing, and a version with other bytes than a round began from are
signs of another registry.
"""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.errors import RegistryError
from ratchet.registry.base import ModelVersion, Registry
from ratchet.registry.promotion import history, recorded_champion
from ratchet.rounds import loop_prefix
from ratchet.store import Store


def versions_of_loop(store: Store, registry: Registry, loop: str, seeds: Mapping[str, str]) -> list[ModelVersion]:
    """The versions of a loop that has rounds or promotions; `seeds` are digests that its rounds began from, by version.

    Raises RegistryError where the registry cannot be the loop's own.
    """
    versions = registry.versions(loop)
    known = {one.version: one for one in versions}
    if not versions:
        raise _another(store, registry, loop, "has no version of it")
    if registry.champion(loop) is None:
        raise _another(store, registry, loop, "has no champion of it")
    for version in _moved_to(store, loop):
        if version not in known:
            said = f"lacks version {version}, which the loop's promotions moved the alias to last"
            raise _another(store, registry, loop, said)
    for version, digest in seeds.items():
        if version in known and known[version].digest not in ("", digest):
            raise _another(store, registry, loop, f"has other bytes as version {version} than a round began from")
    return versions


def _moved_to(store: Store, loop: str) -> list[str]:
    """Where the alias is by the log; and, while a move is half-done, where it goes from and to."""
    named = [recorded_champion(store, loop)]
    for move in history(store, loop)[-1:]:
        if move.done is None:
            named += [move.intent.origin, move.intent.target]
    return [one for one in named if one is not None]


def _another(store: Store, registry: Registry, loop: str, said: str) -> RegistryError:
    return RegistryError(
        f"the registry {registry.uri} {said}: loop {loop} has rounds or promotions at {store.uri(loop_prefix(loop))}, so this is "
        "not its registry, or somebody took its champion away. Nothing was deleted. Name the right one (MLFLOW_TRACKING_URI, or "
        "RATCHET_REGISTRY=store), or put the alias champion back there; a loop that nobody wants any more is given up by "
        "deleting its folder."
    )
