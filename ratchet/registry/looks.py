"""The ledger of looks at a holdout: each one spends error, whatever round, loop or rollback it belongs to.

    <root>/looks/<family>/0001.json, 0002.json, ...      a look, written BEFORE the gate decides
    <root>/looks/<family>/decisions/<key>.json           what it decided; the same question gets the same answer

A family is all holdouts that come from one source. The key is of candidate, champion, holdout and policy: to ask again
costs nothing and tells nothing new, to ask otherwise is another look.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ratchet import canonical
from ratchet.errors import Conflict, NotFound
from ratchet.recipe import PromoteConfig
from ratchet.registry.gate import GateDecision
from ratchet.registry.ledger import Ledger
from ratchet.store import Store


def look_key(candidate: str, champion: str, holdout: str, policy: PromoteConfig) -> str:
    """Identity of a look, from the models' and the holdout's digests and the policy."""
    return canonical.digest([candidate, champion, holdout, policy.model_dump(mode="json")])


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
