"""What the trigger has done for a loop and what it waits for, read from the store: the trigger itself need not run."""

from __future__ import annotations

from typing import Any

from ratchet import rounds
from ratchet.operations import policy as policies
from ratchet.operations.trigger.asks import Asks
from ratchet.operations.trigger.moves import alias_moves
from ratchet.registry.promotion import history
from ratchet.store import Store


def trigger_status(store: Store, loop: str) -> dict[str, Any]:
    """One loop as JSON-able data. Moves that nobody has recorded yet are not in it: nothing is written here."""
    policy, stopped = policies.read_policy(store, loop), policies.read_stopped(store, loop)
    moves = alias_moves(history(store, loop))
    asks = Asks(store, loop)
    return {
        "loop": loop,
        "owner": policy.owner if policy else None,
        "after_refused": policy.after_refused if policy else None,
        "stopped": stopped.words(loop) if stopped else None,
        "moves": [one.model_dump(mode="json") for one in moves],
        "rounds": len(rounds.numbers(store, loop)),
        "asks": [_ask(asks, one.number) for one in asks.all()],
    }


def _ask(asks: Asks, number: int) -> dict[str, Any]:
    ask, run = asks.read(number), asks.started(number)
    return {
        "number": number,
        "cause": ask.cause,
        "why": ask.why,
        "move": ask.move,
        "key": ask.key,
        "at": ask.at,
        "run": run.run if run else None,
        "url": run.url if run else None,
        "started": run.at if run else None,
    }
