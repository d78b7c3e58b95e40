"""Where cards lie: beside the model, one a version, and with the version in the registry.

<root>/models/<name>/<digest>/card-<version>.md    not one of the model's files, so its digest stays what it is
"""

from __future__ import annotations

import sys

from ratchet.cards.facts import facts_of
from ratchet.cards.writing import written
from ratchet.errors import RatchetError, RoundError, StoreError
from ratchet.registry import open_registry
from ratchet.registry.base import ModelVersion, Registry
from ratchet.rounds import RoundEnd, check_loop_name
from ratchet.settings import Settings
from ratchet.store import Store, open_store


def card_of(settings: Settings, loop: str, version: str | None = None) -> str:
    """The card of a version, None: of the champion, as store and registry tell it now. Raises RoundError, RegistryError."""
    store, registry, found = _version(settings, loop, version)
    return written(facts_of(store, registry, loop, found))


def keep_card(settings: Settings, loop: str, version: str | None = None) -> str:
    """Write a version's card beside its model and into the registry; its address."""
    store, registry, found = _version(settings, loop, version)
    text = written(facts_of(store, registry, loop, found))
    key = _place(store, found)
    store.put(key, text.encode())
    registry.describe(loop, found.version, text)
    return store.uri(key)


def card_at_end(settings: Settings, loop: str, end: RoundEnd) -> None:
    """For finish: keep the card of what a round promoted. What goes wrong must not hide how the round ended, so it is only told."""
    if end.state != "PROMOTED" or end.candidate is None:
        return
    try:
        keep_card(settings, loop, end.candidate)
    except (RatchetError, ValueError, KeyError, TypeError, OSError) as error:
        sys.stderr.write(
            f"finish: no card of version {end.candidate}: {type(error).__name__}: {error}; `ratchet card --loop {loop} --keep` writes it\n"
        )


def _version(settings: Settings, loop: str, version: str | None) -> tuple[Store, Registry, ModelVersion]:
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    check_loop_name(loop)
    if version is not None:
        return store, registry, _known(registry, loop, version)
    found = registry.champion(loop)
    if found is None:
        raise RoundError(f"loop {loop} has no champion; `ratchet init --loop {loop} --seed MODEL` registers the first.")
    return store, registry, found


def _known(registry: Registry, loop: str, version: str) -> ModelVersion:
    there = {one.version: one for one in registry.versions(loop)}
    if version not in there:
        first, last = next(iter(there), ""), next(reversed(there), "")
        known = f"it has {first if first == last else f'{first} to {last}'}" if there else "it has none"
        raise RoundError(f"loop {loop} has no version {version}; {known}: see `ratchet status --loop {loop}`.")
    return there[version]


def _place(store: Store, version: ModelVersion) -> str:
    """Beside the model; with the loop where the model lies outside of this store."""
    try:
        return f"{store.key(version.uri)}/card-{version.version}.md"
    except StoreError:
        return f"loops/{version.name}/cards/card-{version.version}.md"
