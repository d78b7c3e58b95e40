"""How a simulated loop asks the gate: the shipped judgement, with the ledger's account in a store or carried along."""

from __future__ import annotations

import uuid
from typing import Protocol

from ratchet.recipe import PromoteConfig
from ratchet.registry.evidence import Evidence
from ratchet.registry.gate import GateDecision, judge
from ratchet.registry.items import mark_of
from ratchet.registry.looks import Looks, after, look_key
from ratchet.registry.spending import Standing
from ratchet.store import Store
from ratchet.store.memory import MemoryStore


class Account(Protocol):
    """One loop's looks."""

    def look(self, evidence: Evidence) -> GateDecision:
        """Judge, and remember that it was looked."""
        ...


class Ledgered:
    """The shipped ledger, as the promote stage uses it: entry first, then what it leaves to spend, then the decision."""

    def __init__(self, policy: PromoteConfig, *, same_items: bool, store: Store | None = None) -> None:
        self._policy, self._same, self._asked = policy, same_items, 0
        self._looks = Looks(store or MemoryStore(uuid.uuid4().hex), "simulated")

    def look(self, evidence: Evidence) -> GateDecision:
        self._asked += 1
        holdout = "one" if self._same else f"set {self._asked}"
        facts = {"holdout": holdout, "folds": 1}
        key = look_key(f"candidate {self._asked}", "champion", holdout, self._policy, {})
        marks = frozenset({mark_of(holdout)})
        number = self._looks.take(key, facts, marks)
        found = judge(evidence, self._policy, self._looks.standing(number, self._policy, facts, marks))
        return self._looks.keep(key, found)


class Carried:
    """The same account without the store: `after` is what the ledger adds its looks up with. Tested to decide alike."""

    def __init__(self, policy: PromoteConfig, *, same_items: bool) -> None:
        self._policy, self._same = policy, same_items
        self._standing = Standing()

    def look(self, evidence: Evidence) -> GateDecision:
        found = judge(evidence, self._policy, self._standing)
        self._standing = after(self._standing, self._policy, found, seen=self._same)
        return found


class IfBetter:
    """No gate: promote whatever measures better. What `judge` would be without a test, an account or guards."""

    def better(self, evidence: Evidence) -> bool:
        items = evidence.holdout
        return bool(items.candidate.correct.sum() > items.champion.correct.sum())
