"""The ledger of looks at a holdout: each one spends error, whatever round, loop or rollback it belongs to.

    <root>/looks/<family>/0001.json, 0002.json, ...      a look, written BEFORE the gate decides
    <root>/looks/<family>/decisions/<key>.json           what it decided; the same question gets the same answer
    <root>/looks/items/<digest>.json                     what it saw: see `ratchet.registry.items`

A family is what one import, one world or one suite makes. The key is of candidate, champion, holdout, policy and
the way evaluate asked: to ask again costs nothing and tells nothing new, to ask otherwise is another look. The ledger is also the loop's account of error: what
a look may spend follows from the looks before it (`standing`), and is not kept anywhere else. These are the looks of its
family, those of its loop in any family, and those that saw one of its items, in whatever family and loop.

Each look is in the store before others are read. So of two at once in different families one at least knows of the other;
both may, and then both pay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ratchet import canonical
from ratchet.errors import Conflict, NotFound
from ratchet.recipe import PromoteConfig
from ratchet.registry.gate import GateDecision
from ratchet.registry.items import ITEMS, Items, Marks, fold
from ratchet.registry.ledger import Entry, Ledger
from ratchet.registry.spending import Standing, lost
from ratchet.store import Store, join


def look_key(candidate: str, champion: str, holdout: str, policy: PromoteConfig, asking: Mapping[str, Any]) -> str:
    """Identity of a look, from the models' and the holdout's digests, the policy, and how evaluate asked."""
    return canonical.digest([candidate, champion, holdout, policy.question(), dict(asking)])


def after(before: Standing, policy: PromoteConfig, decided: GateDecision | None, *, seen: bool) -> Standing:
    """The account after one more look; `seen` says whether it was at the items that the next one is at.

    One that was never decided, since its run was killed, counts as lost.
    """
    promoted = decided is not None and decided.promote
    gone = decided.lost if decided is not None else None
    if gone is None:
        gone = lost(policy, replace(before, seen=0, seen_promoted=0), False)
    return Standing(
        look=before.look + 1,
        promoted=before.promoted + promoted,
        seen=before.seen + seen,
        seen_promoted=before.seen_promoted + (seen and promoted),
        wealth=max(before.wealth - gone, 0.0),
    )


class Looks:
    """The looks at the items of one family, and what those of others have to do with them."""

    def __init__(self, store: Store, family: str) -> None:
        self._store = store
        self._family = family
        self._ledger = Ledger(store, f"looks/{family}")
        self._items = Items(store)

    def take(self, key: str, facts: Mapping[str, Any], marks: Marks) -> int:
        """Number of the look with this key: a new one, or the one that it had before. `marks` are its set's clusters."""
        told = {**facts, "items": self._items.keep(marks), "at": datetime.now(UTC).isoformat()}
        return self._ledger.append_once(key, told).number

    def next_number(self) -> int:
        """What the next new look would be; nothing is spent."""
        last = self._ledger.last()
        return last.number + 1 if last else 1

    def standing(self, number: int, policy: PromoteConfig, facts: Mapping[str, Any], marks: Marks) -> Standing:
        """What the looks before number `number` leave to it. `facts` and `marks` are what it was taken with, or would be.

        Of another family every look that is there counts as one before: there is no order between families.
        """
        shown = fold(marks, number, facts.get("folds", 1))
        found = Standing()
        for family, entry in self._before(number):
            seen = self._saw(entry, facts, shown, own=family == self._family)
            if seen or family == self._family or _same_loop(entry, facts):
                decided = self._decided(family, entry.key) if entry.key is not None else None
                found = after(found, policy, decided, seen=seen)
        return found

    def _before(self, number: int) -> Iterator[tuple[str, Entry]]:
        """The looks of other families, then those of this one before `number`."""
        for family in families(self._store):
            if family != self._family:
                for entry in Ledger(self._store, f"looks/{family}").entries():
                    yield family, entry
        for entry in self._ledger.entries():
            if entry.number < number:
                yield self._family, entry

    def _saw(self, entry: Entry, facts: Mapping[str, Any], shown: Marks, *, own: bool) -> bool:
        """Whether an earlier look saw one of the clusters. Where it does not say which it saw, the worst is believed."""
        then = entry.value
        if "items" in then:
            return not shown.isdisjoint(fold(self._items.read(then["items"]), entry.number, then.get("folds", 1)))
        return (own and "holdout" not in then) or ("holdout" in then and then["holdout"] == facts.get("holdout"))

    def decided(self, key: str) -> GateDecision | None:
        """What the look with this key decided, if it did."""
        return self._decided(self._family, key)

    def _decided(self, family: str, key: str) -> GateDecision | None:
        try:
            return GateDecision.model_validate_json(self._store.get(_place(family, key)))
        except NotFound:
            return None

    def keep(self, key: str, decision: GateDecision) -> GateDecision:
        """Store a decision; the first one stays and is returned."""
        try:
            self._store.put_if(
                _place(self._family, key), canonical.pretty(decision.model_dump(mode="json")), absent=True
            )
        except Conflict:
            return self.decided(key) or decision
        return decision


def families(store: Store) -> list[str]:
    """The families that were looked at, by name."""
    pattern = re.compile(re.escape(join(store.root, "looks")) + r"/([^/]+)/\d{4,}\.json")
    found = {match[1] for stat in store.list("looks/") if (match := pattern.fullmatch(stat.uri))}
    return sorted(found - {ITEMS})


def _same_loop(entry: Entry, facts: Mapping[str, Any]) -> bool:
    return "loop" in facts and entry.value.get("loop") == facts["loop"]


def _place(family: str, key: str) -> str:
    return f"looks/{family}/decisions/{key}.json"
