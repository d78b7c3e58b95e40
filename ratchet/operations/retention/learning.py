"""Versions that learned from a picture, and every one that comes of such a one: by seed, base, adapter, or begun again from its weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ratchet import rounds
from ratchet.adapters import Base
from ratchet.errors import NotFound, RatchetError, StoreError
from ratchet.model_files import BASE
from ratchet.registry.base import ROUND, ModelVersion, Registry
from ratchet.store import Store

_SOURCE = "ratchet.source"
_REGISTERED = re.compile(r"models:/([a-z0-9-]+)/(\d+)")
Place = tuple[str, str]


@dataclass
class _Known:
    """A version and what it comes of: digests of weights, and versions by name."""

    version: ModelVersion
    digests: set[str] = field(default_factory=set)
    places: set[Place] = field(default_factory=set)

    @property
    def place(self) -> Place:
        return self.version.name, self.version.version


def versions_of(store: Store, registry: Registry, learned: Iterable[tuple[str, int]]) -> dict[str, list[str]]:
    """Versions of all loops by loop, given the rounds that learned from it: "3", "4 (from 3)", "1 (from mine 3)"."""
    taught = set(learned)
    if not taught:
        return {}
    known = [_known(store, one) for loop in _names(store) for one in registry.versions(loop)]
    told = {one.place: "" for one in known if _round_of(one.version) in taught}
    while new := dict(_descend(known, told)):
        told |= new
    found: dict[str, list[str]] = {loop: [] for loop, _ in sorted(taught)}
    for one in known:
        if one.place in told:
            found.setdefault(one.version.name, []).append(one.version.version + told[one.place])
    return found


def merged(old: dict[str, list[str]], new: dict[str, list[str]]) -> dict[str, list[str]]:
    """What was told before and is told now, each version once."""
    return {loop: _once([*new.get(loop, ()), *old.get(loop, ())]) for loop in sorted({*old, *new})}


def _once(told: Iterable[str]) -> list[str]:
    by_version: dict[str, str] = {}
    for words in told:
        by_version.setdefault(words.split(" ")[0], words)
    return [by_version[version] for version in sorted(by_version, key=int)]


def _descend(known: Iterable[_Known], told: dict[Place, str]) -> Iterator[tuple[Place, str]]:
    """Versions that are not told of yet and come of one that is."""
    listed = list(known)
    weights = {one.version.digest: one.place for one in listed if one.place in told and one.version.digest}
    for one in listed:
        if one.place in told:
            continue
        of = [*(one.places & told.keys()), *(weights[digest] for digest in one.digests if digest in weights)]
        if of:
            loop, version = min(of)
            yield one.place, f" (from {version})" if loop == one.version.name else f" (from {loop} {version})"


def _known(store: Store, version: ModelVersion) -> _Known:
    found = _Known(version, {version.digest} - {""})
    if source := _REGISTERED.match(version.tags.get(_SOURCE, "")):
        found.places.add((source[1], source[2]))
    try:
        base = Base.model_validate_json(store.get(f"{store.key(version.uri)}/{BASE}"))
        found.digests.add(base.digest)
    except (NotFound, StoreError):
        pass  # no adapter, or weights that lie elsewhere
    loop, number = _round_of(version)
    if number:
        try:
            opened = rounds.read_round(store, loop, number)
        except RatchetError:
            return found
        for ref in (opened.seed, *([opened.base] if opened.base else [])):
            found.digests.add(ref.digest)
            if ref.version:
                found.places.add((ref.name, ref.version))
    return found


def _round_of(version: ModelVersion) -> tuple[str, int]:
    number = version.tags.get(ROUND, "")
    return version.name, int(number) if number.isdecimal() else 0


def _names(store: Store) -> list[str]:
    """Every name that has a loop, weights or versions here and can be a loop's."""
    tops = ("loops/", "models/", "registry/")
    found = {store.key(stat.uri).split("/")[1] for top in tops for stat in store.list(top)}
    return sorted(name for name in found if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name))
