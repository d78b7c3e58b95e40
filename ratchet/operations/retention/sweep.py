"""Take away by age what nothing references: in one pass over the store, in the memory of one model's files.

A model's card and a set's index go first, so that what is half gone is not there for anybody. A stage of a spent round keeps its
manifest, and a note beside it says that its rows are gone, and since when. Run again after a kill, the rest goes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ratchet import canonical
from ratchet.artifacts.shards import REMOVED
from ratchet.errors import NotFound, RatchetError
from ratchet.model_files import CARD
from ratchet.operations.retention.deleting import Deleting
from ratchet.operations.retention.references import References, gather, grown
from ratchet.promptset import SET_FILE, PromptSet
from ratchet.registry.base import Registry
from ratchet.store import Stat, Store

LEAST = timedelta(days=1)
"""What is younger may be in the hands of a run that has not written down yet that it needs it."""
_CACHES = frozenset({"answers", "judgements"})
_RAW = ("generate-", "verify-")


@dataclass
class Kind:
    """How much of one kind goes, and how much stays."""

    objects: int = 0
    size: int = 0
    kept: int = 0


@dataclass
class Sweep:
    """What a pass found, by kind; `examples` are the first keys of each kind that go. Sizes in bytes."""

    applied: bool
    before: datetime
    kinds: dict[str, Kind] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def going(self, kind: str, key: str, size: int) -> None:
        known = self.kinds.setdefault(kind, Kind())
        known.objects += 1
        known.size += size
        shown = self.examples.setdefault(kind, [])
        if len(shown) < 3:
            shown.append(key)

    def staying(self, kind: str) -> None:
        self.kinds.setdefault(kind, Kind()).kept += 1

    @property
    def objects(self) -> int:
        return sum(kind.objects for kind in self.kinds.values())

    @property
    def size(self) -> int:
        return sum(kind.size for kind in self.kinds.values())


def collect(
    store: Store,
    registry: Registry,
    older_than: timedelta,
    *,
    apply: bool = False,
    now: datetime | None = None,
    looked: Callable[[int], None] = lambda _: None,
) -> Sweep:
    """Find what may go, and with `apply` delete it. `looked` is told how many objects were looked at.

    Raises RatchetError for an age below a day, RegistryUnavailable where the registry cannot say what it has, RegistryError
    where it cannot be the loops' own.
    """
    if older_than < LEAST:
        raise RatchetError(
            f"an age of {older_than} is below {LEAST}: a run that began a moment ago may need what it has not named yet. Give a day or more."
        )
    before = (now or datetime.now(UTC)) - older_than
    sweep = Sweep(apply, before)
    pass_ = _Pass(store, gather(store, registry, before), sweep, registry)
    with Deleting(store, apply, before) as deleting:
        for unit, stats in itertools.groupby(_told(store, looked), key=lambda s: unit_of(store.key(s.uri))):
            pass_.unit(unit, stats, deleting)
    return sweep


def unit_of(key: str) -> str:
    """What goes or stays as a whole: a model, a prompt set; everything else is an object for itself."""
    parts = key.split("/")
    if parts[0] == "models" and len(parts) > 3:
        return "/".join(parts[:3])
    if parts[0] == "prompts" and len(parts) > 2 and parts[1] != "imports":
        return "/".join(parts[:2])
    return key


def _told(store: Store, looked: Callable[[int], None]) -> Iterator[Stat]:
    for number, stat in enumerate(store.list(), 1):
        yield stat
        if number % 10_000 == 0:
            looked(number)


class _Pass:
    """The rules, one method a kind."""

    def __init__(self, store: Store, kept: References, sweep: Sweep, registry: Registry) -> None:
        self.store, self.kept, self.sweep, self.registry = store, kept, sweep, registry
        self._noted = ""

    def unit(self, unit: str, stats: Iterator[Stat], deleting: Deleting) -> None:
        top = unit.split("/", 1)[0]
        if top == "models" and unit.count("/") == 2:
            self._model(unit, list(stats), deleting)
        elif top == "prompts" and unit.count("/") == 1:
            self._prompts(unit, list(stats), deleting)
        else:
            for stat in stats:
                self._object(self.store.key(stat.uri), stat, deleting)

    def _old(self, stat: Stat) -> bool:
        return stat.modified < self.sweep.before

    def _model(self, folder: str, stats: list[Stat], deleting: Deleting) -> None:
        if folder in self.kept.models or not all(map(self._old, stats)) or self._needed_now(folder, deleting):
            self.sweep.staying("models")
            return
        self._whole("models", f"{folder}/{CARD}", stats, deleting)

    def _needed_now(self, folder: str, deleting: Deleting) -> bool:
        """Asked once more before weights go: a round, or a version, may have come since everything was gathered."""
        if not deleting.apply:
            return False
        grown(self.store, self.kept)
        name = folder.split("/")[1]
        for version in self.registry.versions(name):
            self.kept.keep_named(self.store, canonical.pretty([version.uri]).decode())
        card = self.store.stat(f"{folder}/{CARD}")
        return folder in self.kept.models or (card is not None and not self._old(card))

    def _prompts(self, folder: str, stats: list[Stat], deleting: Deleting) -> None:
        if folder in self.kept.prompts or not all(map(self._old, stats)) or self._imported(folder):
            self.sweep.staying("prompt sets")
            return
        if deleting.apply:
            grown(self.store, self.kept)
        if folder in self.kept.prompts:
            self.sweep.staying("prompt sets")
            return
        # Pictures that what was trained on shows lie here too.
        going = [stat for stat in stats if self.store.key(stat.uri) not in self.kept.files]
        self._whole("prompt sets", f"{folder}/{SET_FILE}", going, deleting)

    def _imported(self, folder: str) -> bool:
        """Whether people brought the set: they may name it in the next recipe. What is drawn can be drawn again."""
        try:
            return PromptSet.model_validate_json(self.store.get(f"{folder}/{SET_FILE}")).source != "tinyworld"
        except NotFound:
            return False

    def _whole(self, kind: str, index: str, stats: list[Stat], deleting: Deleting) -> None:
        went = deleting.whole(index, stats)
        for stat in went:
            self.sweep.going(kind, self.store.key(stat.uri), stat.size)
        if len(went) < len(stats):
            self.sweep.staying(kind)

    def _object(self, key: str, stat: Stat, deleting: Deleting) -> None:
        kind = self._kind(key)
        if kind is None:
            return
        if not self._old(stat) or key in self.kept.files:
            self.sweep.staying(kind)
            return
        if kind == "rows of spent rounds":
            self._note(key.rsplit("/", 1)[0], deleting)
        self.sweep.going(kind, key, stat.size)
        deleting.soon(key)

    def _kind(self, key: str) -> str | None:
        """What an object for itself may go as; None for all that stays whatever its age."""
        parts = key.split("/")
        if parts[0] in _CACHES:
            return "remembered answers"
        place = "/".join(parts[: 5 if parts[2:3] == ["controls"] else 4])
        rest = key.removeprefix(f"{place}/").split("/")
        if parts[0] != "loops" or place not in self.kept.spent or len(rest) < 2:
            return None
        if rest[0].startswith(_RAW) and key.endswith(".parquet"):
            return "rows of spent rounds"
        if rest[0].startswith("train-") and rest[1] == "checkpoints":
            return "checkpoints of spent rounds"
        return None

    def _note(self, folder: str, deleting: Deleting) -> None:
        if folder != self._noted and deleting.apply:
            body = {"removed": datetime.now(UTC), "by": "ratchet gc", "older_than": self.sweep.before}
            self.store.put(f"{folder}/{REMOVED}", canonical.pretty(body))
        self._noted = folder
