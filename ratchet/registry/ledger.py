"""Ledgers that only grow, on stores that cannot append: one numbered object per entry, made by a conditional put.

Numbers begin at 1 and have no gaps, so whoever makes number n has seen every entry before it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ratchet import canonical
from ratchet.errors import Conflict, StoreError
from ratchet.store import Store, join

INTENT = "intent"
DONE = "done"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a ledger. `key` is set for those of `append_once`."""

    number: int
    key: str | None
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Promotion:
    """One promotion: what was meant to happen, and what was done (None while it is half-done)."""

    number: int
    intent: dict[str, Any]
    done: dict[str, Any] | None


class PromotionPending(Conflict):
    """An earlier promotion is half-done; `promotion` is that one."""

    def __init__(self, promotion: Promotion, uri: str) -> None:
        super().__init__(
            f"{uri} was begun and never finished: move the alias as it says, or find that it did move, call finish() for "
            f"{promotion.number}, then begin again"
        )
        self.promotion = promotion


class Ledger:
    """The entries `<prefix>/0001.json`, `<prefix>/0002.json`, ... of a store."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix.rstrip("/")

    def append(self, value: Mapping[str, Any]) -> int:
        """Add an entry and return its number. Racing appenders get different numbers."""
        number = self._highest() + 1
        data = _packed(value, None)
        while not self._placed(number, data):
            number += 1
        return number

    def append_once(self, key: str, value: Mapping[str, Any]) -> Entry:
        """Add an entry under `key`, or return the one that is stored under it, whatever `value` says now."""
        known, highest = self._find(key, range(1, self._highest() + 1))
        if known is not None:
            return known
        number = highest + 1
        data = _packed(value, key)
        while not self._placed(number, data):
            known, number = self._find(key, range(number, number + 1))
            if known is not None:
                return known
            number += 1
        return self.read(number)

    def read(self, number: int) -> Entry:
        """Entry `number`. Raises NotFound."""
        content = _unpacked(self._store, self._key(number))
        return Entry(number, content["key"], content["value"])

    def entries(self) -> Iterator[Entry]:
        """All entries by number, the first first."""
        for number in range(1, self._highest() + 1):
            yield self.read(number)

    def last(self) -> Entry | None:
        """The newest entry, or None."""
        highest = self._highest()
        return self.read(highest) if highest else None

    def _find(self, key: str, numbers: range) -> tuple[Entry | None, int]:
        """The entry with `key` among `numbers`, or None and the last number looked at."""
        for number in numbers:
            entry = self.read(number)
            if entry.key == key:
                return entry, number
        return None, numbers.stop - 1

    def _placed(self, number: int, data: bytes) -> bool:
        return _placed(self._store, self._key(number), data)

    def _highest(self) -> int:
        return max((number for number, _ in _numbers(self._store, self._prefix)), default=0)

    def _key(self, number: int) -> str:
        return f"{self._prefix}/{number:04d}.json"


class PromotionLog:
    """A loop's promotions: `promotions/0007.intent.json`, then the alias moves, then `promotions/0007.done.json`."""

    def __init__(self, store: Store, prefix: str = "promotions") -> None:
        self._store = store
        self._prefix = prefix

    def begin_promotion(self, intent: Mapping[str, Any]) -> int:
        """Announce a promotion and return its number.

        Raises PromotionPending, which holds it, while another is half-done: of several that begin at once one wins.
        """
        while True:
            history = self.history()
            if history and history[-1].done is None:
                raise PromotionPending(history[-1], self._store.uri(self._key(history[-1].number, INTENT)))
            number = history[-1].number + 1 if history else 1
            if _placed(self._store, self._key(number, INTENT), _packed(intent, None)):
                return number

    def finish(self, number: int, done: Mapping[str, Any]) -> None:
        """Say that promotion `number` is complete. Again with the same content is quiet.

        Raises NotFound when it was never begun, Conflict when it was finished otherwise.
        """
        _unpacked(self._store, self._key(number, INTENT))
        key = self._key(number, DONE)
        if not _placed(self._store, key, _packed(done, None)):
            stored = _unpacked(self._store, key)["value"]
            if stored != canonical.loads(canonical.dumps(dict(done))):
                raise Conflict(f"{self._store.uri(key)} says otherwise already: {stored}; read it before going on")

    def pending(self) -> Promotion | None:
        """The promotion that was begun and not finished, if any."""
        history = self.history()
        return history[-1] if history and history[-1].done is None else None

    def history(self) -> list[Promotion]:
        """All promotions by number.

        A listing is no picture of one moment: what was written while it was made may be missing beside what was written
        later. Only the newest promotion can be half-done, so what the earlier ones did is read without asking the listing.
        """
        found = set(_numbers(self._store, self._prefix))
        newest = max((number for number, kind in found if kind == INTENT), default=0)
        return [
            Promotion(
                number,
                _unpacked(self._store, self._key(number, INTENT))["value"],
                _unpacked(self._store, self._key(number, DONE))["value"]
                if number < newest or (number, DONE) in found
                else None,
            )
            for number in range(1, newest + 1)
        ]

    def _key(self, number: int, kind: str) -> str:
        return f"{self._prefix}/{number:04d}.{kind}.json"


def _numbers(store: Store, prefix: str) -> Iterator[tuple[int, str]]:
    """Number and kind ("" in a plain ledger) of the objects of a ledger."""
    pattern = re.compile(re.escape(join(store.root, prefix)) + r"/(\d{4,})(?:\.(intent|done))?\.json")
    for stat in store.list(prefix + "/"):
        if found := pattern.fullmatch(stat.uri):
            yield int(found[1]), found[2] or ""


def _placed(store: Store, key: str, data: bytes) -> bool:
    try:
        store.put_if(key, data, absent=True)
    except Conflict:
        return False
    return True


def _packed(value: Mapping[str, Any], key: str | None) -> bytes:
    # The token keeps two writers of equal values apart: see Store.put_if.
    content = {"key": key, "token": uuid.uuid4().hex, "value": dict(value)}
    try:
        return canonical.dumps(content)
    except TypeError as error:
        raise StoreError(f"a ledger entry must be JSON, {value!r} is not: {error}") from error


def _unpacked(store: Store, key: str) -> dict[str, Any]:
    data = store.get(key)
    try:
        content = canonical.loads(data)
        return {"key": content["key"], "value": dict(content["value"])}
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{store.uri(key)} is not a ledger entry ({error}): another program wrote there") from error
