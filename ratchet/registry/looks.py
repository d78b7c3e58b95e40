"""The ledger of looks at a holdout: each one spends error, whatever round, loop or rollback it belongs to.

    <root>/looks/<family>/0001.json, 0002.json, ...      a look, written BEFORE the gate decides
    <root>/looks/<family>/decisions/<key>.json           what it decided; the same question gets the same answer

A family is all holdouts that come from one source. The key is of candidate, champion, holdout and policy: to ask again
costs nothing and tells nothing new, to ask otherwise is another look. The ledger is also the loop's account of error: what a
look may spend follows from the looks before it (`standing`), and is not kept anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ratchet import canonical
from ratchet.errors import Conflict, NotFound
from ratchet.recipe import PromoteConfig
from ratchet.registry.gate import GateDecision
from ratchet.registry.ledger import Ledger
from ratchet.registry.spending import Standing, lost
from ratchet.store import Store


def look_key(candidate: str, champion: str, holdout: str, policy: PromoteConfig) -> str:
    """Identity of a look, from the models' and the holdout's digests and the policy."""
    return canonical.digest([candidate, champion, holdout, policy.question()])


def same_items(earlier: int, then: Mapping[str, Any], look: int, now: Mapping[str, Any]) -> bool:
    """Whether two looks see an item in common: the same holdout, and the same fold where both cut it alike.

    Of a look that does not say what it saw the worst is believed.
    """
    if "holdout" not in then or then["holdout"] != now["holdout"]:
        return "holdout" not in then
    folds = now.get("folds", 1)
    return bool(then.get("folds", 1) != folds or (earlier - look) % folds == 0)


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
    """The looks at the holdouts of one family."""

    def __init__(self, store: Store, family: str) -> None:
        self._store = store
        self._prefix = f"looks/{family}"
        self._ledger = Ledger(store, self._prefix)

    def take(self, key: str, facts: dict[str, Any]) -> int:
        """Number of the look with this key: a new one, or the one that it had before."""
        return self._ledger.append_once(key, {**facts, "at": datetime.now(UTC).isoformat()}).number

    def next_number(self) -> int:
        """What the next new look would be; nothing is spent."""
        last = self._ledger.last()
        return last.number + 1 if last else 1

    def standing(self, number: int, policy: PromoteConfig, facts: Mapping[str, Any]) -> Standing:
        """What the looks before number `number` leave to it. `facts` are those that it was taken with, or would be."""
        found = Standing()
        for entry in self._ledger.entries():
            if entry.number >= number:
                break
            decided = self.decided(entry.key) if entry.key is not None else None
            found = after(found, policy, decided, seen=same_items(entry.number, entry.value, number, facts))
        return found

    def decided(self, key: str) -> GateDecision | None:
        """What the look with this key decided, if it did."""
        try:
            return GateDecision.model_validate_json(self._store.get(self._place(key)))
        except NotFound:
            return None

    def keep(self, key: str, decision: GateDecision) -> GateDecision:
        """Store a decision; the first one stays and is returned."""
        try:
            self._store.put_if(self._place(key), canonical.pretty(decision.model_dump(mode="json")), absent=True)
        except Conflict:
            return self.decided(key) or decision
        return decision

    def _place(self, key: str) -> str:
        return f"{self._prefix}/decisions/{key}.json"
