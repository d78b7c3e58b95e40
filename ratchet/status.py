"""What `ratchet status` tells: champion, rounds, decisions, cost, and who holds the loop."""

from __future__ import annotations

from typing import Any

from ratchet import rounds
from ratchet.registry import lease as leases
from ratchet.registry import open_registry
from ratchet.registry.promotion import history
from ratchet.settings import Settings
from ratchet.store import Store, open_store


def loop_status(settings: Settings, loop: str) -> dict[str, Any]:
    """One loop as JSON-able data. Seconds are of the stages' own clocks, summed over processes."""
    store = open_store(settings.root)
    champion = open_registry(settings, store).champion(loop)
    return {
        "loop": loop,
        "root": settings.root,
        "champion": None
        if champion is None
        else {"version": champion.version, "uri": champion.uri, "digest": champion.digest},
        "rounds": [_round(store, loop, number) for number in rounds.numbers(store, loop)],
        "moves": [
            {
                "number": move.number,
                "kind": move.intent.kind,
                "from": move.intent.origin,
                "to": move.intent.target,
                "moved": move.moved,
                "by": move.intent.by,
                "at": move.intent.at,
                "reason": move.intent.reason,
            }
            for move in history(store, loop)
        ],
        "lease": _lease(store, loop),
    }


def all_loops(settings: Settings) -> list[str]:
    return rounds.loops(open_store(settings.root))


def _round(store: Store, loop: str, number: int) -> dict[str, Any]:
    opened = rounds.read_round(store, loop, number)
    end = rounds.read_end(store, loop, number)
    done = rounds.manifests(store, loop, number)
    decision = done["promote"].results["decision"] if "promote" in done else {}
    return {
        "round": number,
        "state": end.state if end else "RUNNING",
        "reason": end.reason if end else None,
        "seed_version": opened.seed.version,
        "candidate_version": done["promote"].results["candidate"] if "promote" in done else None,
        "delta": decision.get("delta", {}).get("delta"),
        "delta_ci": [decision["delta"]["low"], decision["delta"]["high"]] if decision else None,
        "artifacts": {name: done[name].uri for name in sorted(done, key=lambda name: done[name].created)},
        "kept": done["filter"].counts["kept"] if "filter" in done else None,
        "stage_seconds": round(sum(sum(m.seconds.values()) for m in done.values()), 1),
        "seconds": round((end.ended - opened.opened).total_seconds(), 1) if end else None,
    }


def _lease(store: Store, loop: str) -> dict[str, Any] | None:
    state = leases.read(store.sub(rounds.loop_prefix(loop)))
    if state is None or state.released:
        return None
    return {"holder": state.holder, "epoch": state.epoch, "renewed": state.renewed, "until": state.until}
