"""What must stay: everything that a registered version names, a round that is not over, or any other JSON document of a loop.

Documents are read as text, and every address below the root that one of them gives is kept: a field that this code does not know
keeps what it names too. Only what the stages of rounds that are over wrote keeps nothing: those are what goes by age.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from ratchet import canonical, rounds
from ratchet.adapters import Base
from ratchet.artifacts.manifest import MANIFEST
from ratchet.errors import NotFound
from ratchet.model_files import BASE
from ratchet.operations.retention.registered import versions_of_loop
from ratchet.promptset import set_prefix
from ratchet.registry.base import Registry
from ratchet.rounds import Round
from ratchet.store import Stat, Store

_OVER = frozenset({"REFUSED", "STALE", "STOPPED"})
"""Ends that nothing can follow: a FAILED round may be reopened, a PENDING one answered, a PROMOTED one is a version's history."""
_PLACE = re.compile(r"loops/[^/]+/(?:rounds|controls/[^/]+)/\d+(?=/|$)")
_PROMOTION = re.compile(r"loops/[^/]+/promotions/")
_STAGE = re.compile(r"[a-z_]+-[0-9a-f]{12}(/|$)")
_NOTE = ".parquet.json"
_DIGEST = re.compile(r'"([0-9a-f]{64})"')


@dataclass
class References:
    """`models` and `prompts` by their folders, `files` by their keys; `spent`: rounds of which only what they decided by is kept.

    `loops` are those that have rounds or promotions, with the digests of their versions that rounds began from.
    """

    models: set[str] = field(default_factory=set)
    prompts: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    spent: set[str] = field(default_factory=set)
    last: dict[str, int] = field(default_factory=dict)
    loops: dict[str, dict[str, str]] = field(default_factory=dict)

    def keep_named(self, store: Store, text: str, only: str = "") -> None:
        """Every address below the root that stands in a JSON text; `only` those below a folder of it."""
        for uri in re.findall(rf'"({re.escape(store.root)}/{only}[^"\\]+)"', text):
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

    Raises what the registry raises when it does not answer: without it nothing is known to be unused; RegistryError for another
    registry than the loops' own.
    """
    found = References()
    for place, documents in _documents(store):
        if _PLACE.fullmatch(place):
            _read_round(store, place, list(documents), before, found)
        else:
            _read_others(store, documents, found)
    loops = {loop: versions_of_loop(store, registry, loop, seeds) for loop, seeds in sorted(found.loops.items())}
    for name in sorted(_model_names(store) | loops.keys()):
        for version in loops.get(name) or registry.versions(name):
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


def _documents(store: Store) -> Iterator[tuple[str, Iterator[Stat]]]:
    """JSON documents that loops and what starts their rounds have written, by the place of a round or of a loop.

    One by one: of a place that is no round's there may be any number. Notes on single shards name nothing.
    """
    for top in ("loops/", "local/", "trigger/"):
        documents = (one for one in store.list(top) if one.uri.endswith(".json") and not one.uri.endswith(_NOTE))
        yield from itertools.groupby(documents, key=lambda stat: _place_of(store.key(stat.uri)))


def _place_of(key: str) -> str:
    matched = _PLACE.match(key)
    return matched[0] if matched else "/".join(key.split("/")[:2])


def _read_others(store: Store, documents: Iterator[Stat], found: References) -> None:
    """What lies beside a loop's rounds: promotions, labels, policies, controls' results, and what is not known yet."""
    for stat in documents:
        key = store.key(stat.uri)
        if _PROMOTION.match(key):
            found.loops.setdefault(key.split("/")[1], {})
        found.keep_named(store, _text(store, key))


def _text(store: Store, key: str) -> str:
    try:
        return store.get(key).decode(errors="replace")
    except NotFound:
        return ""  # taken back since it was listed


def _read_round(store: Store, place: str, documents: Sequence[Stat], before: datetime, found: References) -> None:
    keys = {store.key(stat.uri): stat for stat in documents}
    opened_at = f"{place}/round.json"
    text = _text(store, opened_at) if opened_at in keys else ""
    opened = _parsed(text)
    loop, number = place.split("/")[1], int(place.rsplit("/", 1)[1])
    if opened_at in keys and "/rounds/" in place:
        found.last[loop] = max(found.last.get(loop, 0), number)
        seeds = found.loops.setdefault(loop, {})
        if opened is not None and opened.seed.name == loop and opened.seed.version:
            seeds[opened.seed.version] = opened.seed.digest
    over = _judged(store, place, keys, before) if "/controls/" in place else _is_over(store, opened, before)
    if not over:
        found.keep_prompts(text)
        for key in keys:
            found.keep_named(store, _text(store, key))
        return
    found.spent.add(place)
    _read_spent(store, place, keys, found)


def _read_spent(store: Store, place: str, keys: Iterable[str], found: References) -> None:
    """Of a round that is over its prompt sets stay, and what others than its stages wrote down beside it."""
    for key in keys:
        stage = key.removeprefix(f"{place}/").rpartition("/")[0]
        if key.startswith(f"{place}/filter-") and key.endswith(f"/{MANIFEST}"):
            # What was trained on stays, with its pictures: later rounds may replay it, and a version says it was made of it.
            packs = canonical.loads(store.get(key)).get("packs", [])
            found.keep_named(store, canonical.pretty(packs).decode())
        if key == f"{place}/round.json":
            found.keep_prompts(_text(store, key))
        elif _STAGE.match(stage):
            if key.endswith(f"/{MANIFEST}") and "/controls/" in place:
                # A control arm that says nothing of its beginning.
                found.keep_named(store, _text(store, key), only="prompts")
        else:
            found.keep_named(store, _text(store, key))


def _parsed(text: str) -> Round | None:
    """None for a round that this version cannot read, or that says nothing of its beginning."""
    try:
        return Round.model_validate_json(text)
    except ValidationError:
        return None


def _is_over(store: Store, opened: Round | None, before: datetime) -> bool:
    """Whether nobody goes on with the round, for long enough. One that this version cannot read is never over."""
    if opened is None:
        return False
    end = rounds.read_end(store, opened.loop, opened.number)
    if end is None or end.ended >= before:
        return False
    later = store.exists(f"{rounds.round_prefix(opened.loop, opened.number + 1)}/round.json")
    # With a round after it, a FAILED one is not taken up again.
    return end.state in _OVER or (end.state == "FAILED" and later)


def _judged(store: Store, place: str, keys: Mapping[str, Stat], before: datetime) -> bool:
    """A control arm has no end of its own: it is over when it was judged, or all the loop's were after its last word."""
    told = [one.modified for key, one in keys.items() if key.startswith(f"{place}/promote-") and key.endswith(MANIFEST)]
    if told:
        return max(told) < before
    results = store.stat(f"loops/{place.split('/')[1]}/controls/results.json")
    last = max((one.modified for one in keys.values()), default=before)
    return results is not None and last <= results.modified < before


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
