"""What must stay: everything that a registered version, a champion, a ledger, a promotion or a round that is not over names.

Documents are read as text, and every address below the root that one of them gives is kept: a field that this code does not know
keeps what it names too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from ratchet import canonical, rounds
from ratchet.adapters import Base
from ratchet.artifacts.manifest import MANIFEST
from ratchet.errors import NotFound
from ratchet.model_files import BASE
from ratchet.promptset import set_prefix
from ratchet.registry.base import Registry
from ratchet.rounds import Round
from ratchet.store import Store

_OVER = frozenset({"REFUSED", "STALE", "STOPPED"})
"""Ends that nothing can follow: a FAILED round may be reopened, a PENDING one answered, a PROMOTED one is a version's history."""
_ROUND = re.compile(r"(loops/[^/]+/(?:rounds|controls/[^/]+)/\d+)/(.+)")
_DIGEST = re.compile(r'"([0-9a-f]{64})"')


@dataclass
class References:
    """`models` and `prompts` by their folders, `files` by their keys; `spent`: rounds of which only what they decided by is kept."""

    models: set[str] = field(default_factory=set)
    prompts: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    spent: set[str] = field(default_factory=set)
    last: dict[str, int] = field(default_factory=dict)

    def keep_named(self, store: Store, text: str) -> None:
        """Every address below the root that stands in a JSON text."""
        for uri in re.findall(rf'"({re.escape(store.root)}/[^"\\]+)"', text):
            self._keep(uri[len(store.root) + 1 :])

    def keep_round(self, store: Store, text: str) -> None:
        """What a round reads: its models by address, its prompt sets and suites by digest."""
        self.keep_named(store, text)
        self.keep_prompts(text)

    def keep_prompts(self, text: str) -> None:
        self.prompts |= {set_prefix(digest) for digest in _DIGEST.findall(text)}

    def _keep(self, key: str) -> None:
        parts = key.split("/")
        if parts[0] == "models" and len(parts) >= 3:
            self.models.add("/".join(parts[:3]))
        elif parts[0] == "prompts" and len(parts) >= 2:
            self.prompts.add("/".join(parts[:2]))
        self.files.add(key)


def gather(store: Store, registry: Registry, before: datetime) -> References:
    """What is referenced now; rounds that ended `before` that moment, and promoted nothing, are spent.

    Raises what the registry raises when it does not answer: without it nothing is known to be unused.
    """
    found = References()
    names = set()
    for prefix, files in _rounds(store):
        names.add(prefix.split("/")[1])
        _read_round(store, prefix, files, before, found)
    for name in sorted(names | _model_names(store)):
        for version in registry.versions(name):
            found.keep_named(store, canonical.pretty([version.uri, *version.tags.values()]).decode())
    _keep_bases(store, found)
    return found


def grown(store: Store, known: References) -> None:
    """Add what rounds reference that were opened since `known` was gathered."""
    for loop in list(known.last):
        while True:
            number = known.last[loop] + 1
            try:
                text = store.get(f"{rounds.round_prefix(loop, number)}/round.json").decode()
            except NotFound:
                break
            known.keep_round(store, text)
            known.last[loop] = number


def _rounds(store: Store) -> Iterable[tuple[str, list[str]]]:
    """Each round's place with the keys of its documents, one round at a time."""
    place: str | None = None
    files: list[str] = []
    for stat in store.list("loops/"):
        key = store.key(stat.uri)
        matched = _ROUND.fullmatch(key)
        if matched is None:
            continue
        if matched[1] != place:
            if place is not None:
                yield place, files
            place, files = matched[1], []
        if matched[2] in ("round.json", "end.json") or key.endswith(f"/{MANIFEST}"):
            files.append(key)
    if place is not None:
        yield place, files


def _read_round(store: Store, prefix: str, files: list[str], before: datetime, found: References) -> None:
    opened_at = f"{prefix}/round.json"
    manifests = [key for key in files if key.endswith(f"/{MANIFEST}")]
    if opened_at not in files:
        # A control arm's place, or a round that never opened: what it names stays.
        for key in manifests:
            found.keep_named(store, store.get(key).decode())
        return
    text = store.get(opened_at).decode()
    number = int(prefix.rsplit("/", 1)[1])
    if "/rounds/" in prefix:
        loop = prefix.split("/")[1]
        found.last[loop] = max(found.last.get(loop, 0), number)
    if _is_over(store, prefix, text, before):
        found.spent.add(prefix)
        found.keep_prompts(text)
        # What was trained on stays, with its pictures: later rounds may replay it, and a version says it was made of it.
        for key in manifests:
            if key.startswith(f"{prefix}/filter-"):
                packs = canonical.loads(store.get(key)).get("packs", [])
                found.keep_named(store, canonical.pretty(packs).decode())
        return
    found.keep_round(store, text)
    for key in manifests:
        found.keep_named(store, store.get(key).decode())


def _is_over(store: Store, prefix: str, text: str, before: datetime) -> bool:
    """Whether nobody goes on with the round, for long enough. A control arm has no end of its own: it goes by its beginning.

    A round that this version cannot read is never over.
    """
    try:
        opened = Round.model_validate_json(text)
    except ValidationError:
        return False
    if "/rounds/" not in prefix:
        return opened.opened < before
    end = rounds.read_end(store, opened.loop, opened.number)
    if end is None or end.ended >= before:
        return False
    later = store.exists(f"{rounds.round_prefix(opened.loop, opened.number + 1)}/round.json")
    # With a round after it, a FAILED one is not taken up again.
    return end.state in _OVER or (end.state == "FAILED" and later)


def _model_names(store: Store) -> set[str]:
    return {store.key(stat.uri).split("/")[1] for stat in store.list("models/")}


def _keep_bases(store: Store, found: References) -> None:
    """An adapter is nothing without the model that it lies on, nor that one, if it is an adapter, without its own."""
    asked: set[str] = set()
    while left := found.models - asked:
        for folder in left:
            asked.add(folder)
            try:
                base = Base.model_validate_json(store.get(f"{folder}/{BASE}"))
            except NotFound:
                continue
            found.models.add(store.key(base.ref(store).uri))
