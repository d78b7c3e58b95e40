"""The moves of a loop's alias, as the promotion log has them, and what the trigger keeps of those that it has seen.

The log is the authority: a number there is a move. A move that a person makes in MLflow is recorded there the first time
somebody looks, so what was taken back before anybody looked never moved anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import Field

from ratchet import canonical
from ratchet.errors import Conflict
from ratchet.records import Record
from ratchet.registry import Registry
from ratchet.registry.ledger import INTENT
from ratchet.registry.promotion import Kind, Move, history, mend, record_foreign_moves
from ratchet.rounds import loop_prefix
from ratchet.store import Store


class AliasMove(Record):
    """The alias went from one version to another; None: there was, or is, no champion. `number` is the log's."""

    number: int
    kind: Kind
    origin: str | None
    target: str | None
    by: str
    reason: str
    at: datetime

    def words(self) -> str:
        """For people: "champion went from version 2 to version 3 (outside: ...)"."""
        came = f"from version {self.origin}" if self.origin else "from none"
        went = f"to version {self.target}" if self.target else "away"
        return f"champion went {came} {went} (move {self.number}, {self.kind}, by {self.by}: {self.reason})"


class Observed(Record):
    """A move that the trigger has seen, as it keeps it."""

    move: AliasMove
    seen: datetime = Field(default_factory=lambda: datetime.now(UTC))


def alias_moves(found: Sequence[Move]) -> list[AliasMove]:
    """The moves that moved something. Two that record the same move at once both say `moved`: the second changed nothing."""
    moves, now = [], None
    for one in found:
        if not one.moved or one.intent.target == now:
            continue
        i = one.intent
        moves.append(
            AliasMove(number=one.number, kind=i.kind, origin=now, target=i.target, by=i.by, reason=i.reason, at=i.at)
        )
        now = i.target
    return moves


class MoveReader:
    """Reads a loop's moves from the registry and the log. The log is read whole only when it grew, or the alias is elsewhere."""

    def __init__(self, registry: Registry, store: Store, loop: str) -> None:
        self._registry = registry
        self._store = store
        self._loop = loop
        self._settled: int | None = None
        self._moves: list[AliasMove] = []

    def read(self) -> list[AliasMove]:
        """All moves so far, once what is half-done is completed and what was done without ratchet is recorded."""
        if self._settled is not None and self._alike() and not self._begun(self._settled + 1):
            return self._moves
        self._settled = None
        mend(self._registry, self._store, self._loop)
        record_foreign_moves(self._registry, self._store, self._loop)
        found = history(self._store, self._loop)
        self._moves = alias_moves(found)
        if all(one.done is not None for one in found):
            self._settled = found[-1].number if found else 0
        return self._moves

    def _alike(self) -> bool:
        now = self._registry.champion(self._loop)
        return (now.version if now else None) == (self._moves[-1].target if self._moves else None)

    def _begun(self, number: int) -> bool:
        """Whether there is such a number in the log: they have no gaps."""
        return self._store.exists(f"{loop_prefix(self._loop)}/promotions/{number:04d}.{INTENT}.json")


def observe(store: Store, loop: str, moves: Sequence[AliasMove], after: int = 0) -> list[AliasMove]:
    """Keep the moves that no trigger has kept before, and return them. Each is new once, whoever looks at the same time.

    Those up to the number `after` are known to be kept.
    """
    if not moves or moves[-1].number <= after:
        return []
    place = f"{loop_prefix(loop)}/trigger/moves"
    known = {store.key(stat.uri) for stat in store.list(f"{place}/")}
    new = []
    for move in moves:
        key = f"{place}/{move.number:04d}.json"
        if key in known:
            continue
        with suppress(Conflict):
            store.put_if(key, canonical.pretty(Observed(move=move).model_dump(mode="json")), absent=True)
            new.append(move)
    return new


def followed(store: Store, loop: str, move: AliasMove) -> bool:
    """Whether all who follow the alias were told of this move."""
    return store.exists(_followed_key(loop, move))


def write_followed(store: Store, loop: str, move: AliasMove) -> None:
    store.put(_followed_key(loop, move), canonical.pretty({"move": move.number, "version": move.target}))


def _followed_key(loop: str, move: AliasMove) -> str:
    return f"{loop_prefix(loop)}/trigger/followed/{move.number:04d}.json"
