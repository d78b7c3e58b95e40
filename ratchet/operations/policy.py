"""The policy of a loop: who starts its rounds, with what, and when it stops. Kept in the store, changed by conditional puts.

<root>/loops/<loop>/policy.json     what was asked for: written by `ratchet init`, `schedule ensure`, `trigger`
<root>/loops/<loop>/stopped.json    why the loop stopped, and how to go on; gone once somebody goes on
<root>/loops/<loop>/resumed.json    who last let it go on, and after which round: the rules count from there
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, ValidationError

from ratchet import canonical, rounds
from ratchet.errors import Conflict, NotFound, RoundError
from ratchet.records import Record
from ratchet.registry.base import CHAMPION
from ratchet.store import Stat, Store

TURNS = 6
Owner = Literal["nobody", "schedule", "trigger"]


class StopRules(Record):
    """When a loop stops by itself. None: never for that reason. All count from where somebody last let the loop go on."""

    rounds_without_promotion: int | None = Field(None, ge=1, description="rounds in a row that promoted nothing")
    rounds: int | None = Field(None, ge=1, description="rounds that the loop may have in all")
    gpu_hours: float | None = Field(
        None,
        gt=0,
        description="hours of a device (a GPU; a machine where there are none) that its rounds may take together",
    )
    on_alarm: bool = Field(True, description="stop where an alarm or an audit stopped a round")


class LoopPolicy(Record):
    """Who starts a loop's rounds. One owner: a schedule and a trigger never drive the same loop."""

    owner: Owner = "nobody"
    recipe: str = Field(description="name, or YAML text")
    seed: str = CHAMPION
    budget: float = Field(0.0, ge=0, description="hours of a device that one round may take; 0: as many as it needs")
    after_refused: Literal["next", "stop", "wait"] = Field(
        "next",
        description="trigger: what follows a refused round: the next at once, a stop, or the next move of the alias",
    )
    stop: StopRules = StopRules()


class Stopped(Record):
    """A loop that starts no round until somebody goes on."""

    why: str
    rule: str = Field(description="the rule of StopRules that stopped it, or 'person'")
    after: int = Field(ge=0, description="the last round before the stop; 0: none")
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def words(self, loop: str) -> str:
        return f"loop {loop} is stopped since {self.at:%Y-%m-%d %H:%M} UTC: {self.why}. `ratchet loop resume --loop {loop}` goes on"


class Resumed(Record):
    """Somebody let a loop go on that had stopped. `after` is the last round that had ended: those up to it count no more."""

    after: int = Field(0, ge=0)
    by: str = ""
    why: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


def policy_key(loop: str) -> str:
    return f"{rounds.loop_prefix(loop)}/policy.json"


def stopped_key(loop: str) -> str:
    return f"{rounds.loop_prefix(loop)}/stopped.json"


def read_policy(store: Store, loop: str) -> LoopPolicy | None:
    """None for a loop that only people start. Raises RoundError for one that this version cannot read."""
    try:
        return LoopPolicy.model_validate_json(store.get(policy_key(loop)))
    except NotFound:
        return None
    except ValidationError as error:
        raise RoundError(
            f"{store.uri(policy_key(loop))} is no policy of this version of ratchet: {error.errors()[0]['msg']}. "
            f"Delete it and write it anew with `ratchet loop policy --loop {loop}`."
        ) from error


def change_policy(store: Store, loop: str, change: Callable[[LoopPolicy | None], LoopPolicy]) -> LoopPolicy:
    """Write what `change` makes of the policy that stands, and return it. `change` is called again where another wrote meanwhile,
    with what that one wrote: it must set only what was asked for, and raise where that no longer fits."""
    key = policy_key(loop)
    for _ in range(TURNS):
        # The tag first: bytes that are newer than it make the write fail, and never the other way round.
        stat = store.stat(key)
        policy = change(read_policy(store, loop))
        try:
            _put(store, key, canonical.pretty(policy.model_dump(mode="json")), stat)
        except Conflict:
            continue
        return policy
    raise RoundError(f"the policy of loop {loop} is changed by others all the time; look at it, and try again.")


def _put(store: Store, key: str, data: bytes, stat: Stat | None) -> None:
    if stat is None:
        store.put_if(key, data, absent=True)
    else:
        store.put_if(key, data, etag=stat.etag)


def write_policy(store: Store, loop: str, policy: LoopPolicy) -> None:
    """Replace the loop's policy whatever stands; `change_policy` keeps what others have asked for."""
    change_policy(store, loop, lambda _: policy)


def read_stopped(store: Store, loop: str) -> Stopped | None:
    try:
        return Stopped.model_validate_json(store.get(stopped_key(loop)))
    except NotFound:
        return None


def stop(store: Store, loop: str, stopped: Stopped) -> Stopped:
    """Stop the loop; one that is stopped keeps its first reason. Returns what stands."""
    try:
        store.put_if(stopped_key(loop), canonical.pretty(stopped.model_dump(mode="json")), absent=True)
    except Conflict:
        return read_stopped(store, loop) or stopped
    return stopped


def go_on(store: Store, loop: str, by: str = "", why: str = "") -> Stopped | None:
    """Let the loop start rounds again, and its rules count anew. Returns what had stopped it; None where nothing had."""
    stopped = read_stopped(store, loop)
    if stopped is not None:
        resumed = Resumed(after=_last_ended(store, loop), by=by, why=why)
        store.put(_resumed_key(loop), canonical.pretty(resumed.model_dump(mode="json")))
    store.delete(stopped_key(loop))
    return stopped


def _last_ended(store: Store, loop: str) -> int:
    """A round that runs counts when it has ended, whenever it began."""
    known = rounds.numbers(store, loop)
    return next((n for n in reversed(known) if rounds.read_end(store, loop, n) is not None), 0)


def read_resumed(store: Store, loop: str) -> Resumed:
    """Where the rules count from; from the first round for a loop that never stopped."""
    try:
        return Resumed.model_validate_json(store.get(_resumed_key(loop)))
    except NotFound:
        return Resumed()


def _resumed_key(loop: str) -> str:
    return f"{rounds.loop_prefix(loop)}/resumed.json"
