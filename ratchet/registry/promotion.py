"""Moving the alias champion: announced, done, recorded. Nothing else moves it.

A promotion is an intent object on the next free number, then the alias, then a done object. A number is free only when
all earlier ones are done, so two promotions never move the alias at once. Whoever finds a half-done one completes it if
the alias is where the intent left it, and voids it otherwise: what it does depends on the alias alone, not on who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from ratchet.errors import Conflict, RegistryError
from ratchet.records import Record
from ratchet.registry.base import PROMOTED_AT, PROMOTED_FROM, PROMOTION, Registry
from ratchet.registry.ledger import Promotion, PromotionLog, PromotionPending
from ratchet.rounds import loop_prefix
from ratchet.store import Store

Kind = Literal["seed", "promotion", "rollback", "outside"]
TRIES = 20


class Intent(Record):
    """What is meant to happen: the alias goes from version `origin` (None: no alias yet) to `target` (None: taken away).

    `key` says which promotion this is, so that a repeated one is known again.
    """

    kind: Kind
    name: str
    origin: str | None
    target: str | None
    by: str
    reason: str
    key: str
    round: int | None = None
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Done(Record):
    """What did happen; `champion` is where the alias points. It holds no clock: two that complete one agree."""

    moved: bool
    champion: str | None
    note: str


class Move(Record):
    """One line of the history. `done` is None while it is half-done."""

    number: int
    intent: Intent
    done: Done | None

    @property
    def moved(self) -> bool:
        return self.done is not None and self.done.moved


def promote(
    registry: Registry,
    store: Store,
    loop: str,
    version: str,
    *,
    expected: str | None,
    key: str,
    by: str,
    reason: str,
    kind: Kind = "promotion",
    round: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> Move:
    """Make `version` champion if `expected` still is; the move says whether it did, and why not.

    The same `key` again returns the first move. `check` is called before anything is announced and before the alias
    moves; it raises for whoever lost the loop.
    """
    registry.version(loop, version)
    for _ in range(TRIES):
        mend(registry, store, loop, check=check)
        known = next((m for m in history(store, loop) if m.intent.key == key), None)
        if known is not None:
            return known
        check()
        intent = Intent(
            kind=kind, name=loop, origin=expected, target=version, by=by, reason=reason, key=key, round=round
        )
        with suppress(PromotionPending):
            number = _log(store, loop).begin_promotion(intent.model_dump(mode="json"))
            return _resolve(registry, store, loop, Move(number=number, intent=intent, done=None), check)
    raise RegistryError(f"promotions of {loop} change too fast to begin one: do several runs promote it? Try again.")


def rollback(
    registry: Registry,
    store: Store,
    loop: str,
    *,
    by: str,
    reason: str,
    to_version: str | None = None,
    around_gate: bool = False,
) -> Move:
    """Make an older version champion again: by default the champion before this one. Raises RegistryError if there is none.

    A version that never was champion would go around the gate so: it is refused without `around_gate`.
    """
    mended = mend(registry, store, loop)
    if (
        mended is not None
        and mended.moved
        and mended.intent.kind == "rollback"
        and to_version in (None, mended.intent.target)
    ):
        # A rollback that was killed half-way and is asked for again is one rollback, not two.
        return mended
    record_foreign_moves(registry, store, loop)
    now = registry.champion(loop)
    if now is None:
        raise RegistryError(
            f"{loop} has no champion in {registry.uri}, so there is nothing to roll back. See `ratchet init`."
        )
    target = to_version if to_version is not None else previous_champion(store, loop)
    if target is None:
        raise RegistryError(
            f"{loop} version {now.version} is the only champion there ever was; name a version to go to with --to."
        )
    if target == now.version:
        raise RegistryError(f"{loop} version {target} is the champion already; name an older version with --to.")
    _check_was_champion(registry, store, loop, target, around_gate)
    number = len(history(store, loop)) + 1
    key = f"rollback-{number}-{now.version}-{target}"
    return promote(registry, store, loop, target, expected=now.version, key=key, by=by, reason=reason, kind="rollback")


def _check_was_champion(registry: Registry, store: Store, loop: str, version: str, around_gate: bool) -> None:
    registry.version(loop, version)
    if not around_gate and all(m.intent.target != version for m in history(store, loop) if m.moved):
        raise RegistryError(
            f"{loop} version {version} never was champion, so this is no rollback: it would go around the gate. "
            f"Say --around-gate where you mean that; `ratchet status --loop {loop}` lists what the gate decided."
        )


def mend(registry: Registry, store: Store, loop: str, *, check: Callable[[], None] = lambda: None) -> Move | None:
    """Complete or void the half-done promotion, if there is one, and return it."""
    pending = _log(store, loop).pending()
    return None if pending is None else _resolve(registry, store, loop, _move(pending), check)


def record_foreign_moves(registry: Registry, store: Store, loop: str) -> Move | None:
    """Put into the log that the alias was moved without ratchet, if it was. Call `mend` first."""
    last = recorded_champion(store, loop)
    now = registry.champion(loop)
    found = now.version if now else None
    if found == last:
        return None
    intent = Intent(
        kind="outside",
        name=loop,
        origin=last,
        target=found,
        by="unknown",
        reason=f"the alias was moved without ratchet, in {registry.uri}",
        key=f"outside-{len(history(store, loop)) + 1}-{last}-{found}",
    )
    try:
        number = _log(store, loop).begin_promotion(intent.model_dump(mode="json"))
    except PromotionPending:
        # Another process announced something since: it records, or its mend does.
        return None
    return _resolve(registry, store, loop, Move(number=number, intent=intent, done=None), lambda: None)


def history(store: Store, loop: str) -> list[Move]:
    """All moves of the loop's alias, by number, the half-done one included."""
    return [_move(found) for found in _log(store, loop).history()]


def recorded_champion(store: Store, loop: str) -> str | None:
    """Where the log says that the alias points."""
    return next((m.done.champion for m in reversed(history(store, loop)) if m.done is not None and m.done.moved), None)


def previous_champion(store: Store, loop: str) -> str | None:
    """The champion before the present one. A rollback takes back what it went over, so two of them go two steps."""
    line: list[str] = []
    for move in history(store, loop):
        target = move.intent.target
        if not move.moved or target is None:
            continue
        if target in line:
            del line[line.index(target) :]
        line.append(target)
    return line[-2] if len(line) > 1 else None


def _resolve(registry: Registry, store: Store, loop: str, move: Move, check: Callable[[], None]) -> Move:
    """Bring an announced move to its end; safe to do by several at once."""
    done = _carry_out(registry, move, _repeats(store, loop, move), check)
    if done.moved and move.intent.target is not None and move.intent.kind != "outside":
        registry.set_tags(loop, move.intent.target, _promoted_tags(move))
    log = _log(store, loop)
    try:
        log.finish(move.number, done.model_dump(mode="json"))
    except Conflict:
        # Another process completed it at the same time and saw the alias elsewhere: what it wrote is the record.
        return next(m for m in history(store, loop) if m.number == move.number)
    return Move(number=move.number, intent=move.intent, done=done)


def _carry_out(registry: Registry, move: Move, repeats: int | None, check: Callable[[], None]) -> Done:
    intent = move.intent
    if repeats is not None:
        now = registry.champion(intent.name)
        return Done(moved=False, champion=now.version if now else None, note=f"repeats promotion {repeats}")
    for _ in range(TRIES):
        now = registry.champion(intent.name)
        found = now.version if now else None
        if found == intent.target:
            return Done(moved=True, champion=found, note="")
        if found != intent.origin or intent.kind == "outside" or intent.target is None:
            return Done(moved=False, champion=found, note=_stale(intent, found))
        check()
        registry.set_champion(intent.name, intent.target, expected=intent.origin)
    raise RegistryError(
        f"the alias champion of {intent.name} in {registry.uri} does not stay where it is put; who else moves it?"
    )


def _repeats(store: Store, loop: str, move: Move) -> int | None:
    """Number of an earlier move with the same key: two processes of one round announced it at once."""
    same = (m.number for m in history(store, loop) if m.number < move.number and m.intent.key == move.intent.key)
    return next(same, None)


def _stale(intent: Intent, found: str | None) -> str:
    began = f"version {intent.origin}" if intent.origin else "no champion"
    now = f"version {found}" if found else "no champion"
    return f"it started from {began}, but the alias champion points at {now}: what was proved is not proved against that one"


def _promoted_tags(move: Move) -> dict[str, str]:
    tags = {PROMOTED_AT: move.intent.at.isoformat(timespec="seconds"), PROMOTION: str(move.number)}
    return {**tags, PROMOTED_FROM: move.intent.origin} if move.intent.origin else tags


def _log(store: Store, loop: str) -> PromotionLog:
    return PromotionLog(store, f"{loop_prefix(loop)}/promotions")


def _move(found: Promotion) -> Move:
    done = None if found.done is None else Done.model_validate(found.done)
    return Move(number=found.number, intent=Intent.model_validate(found.intent), done=done)
