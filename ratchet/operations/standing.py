"""How a loop stands: who drives it, how far its stop rules are used, whether it is stopped."""

from __future__ import annotations

from typing import Any

from ratchet.operations.policy import read_policy, read_resumed, read_stopped
from ratchet.operations.stopping import since
from ratchet.store import Store


def standing_of(store: Store, loop: str) -> dict[str, Any]:
    """As JSON-able data, with the same in words."""
    policy, stopped, counted = read_policy(store, loop), read_stopped(store, loop), since(store, loop)
    driven = f"loop {loop} has no policy: only people start its rounds"
    if policy is not None:
        driven = f"loop {loop} is driven by {policy.owner} with recipe {policy.recipe.splitlines()[0]}"
    return {
        "loop": loop,
        "policy": None if policy is None else policy.model_dump(mode="json"),
        "stopped": None if stopped is None else {**stopped.model_dump(mode="json"), "words": stopped.words(loop)},
        "resumed": read_resumed(store, loop).model_dump(mode="json"),
        "rules": [] if policy is None else _rules(policy.stop.model_dump(), counted),
        "words": stopped.words(loop) if stopped is not None else driven,
    }


def _rules(rules: dict[str, Any], counted: Any) -> list[dict[str, str]]:
    now = {
        "rounds_without_promotion": str(counted.without_promotion),
        "rounds": str(len(counted.ends)),
        "gpu_hours": f"{counted.hours:.3g}",
        "on_alarm": "an alarm" if counted.alarm else "no alarm",
    }
    return [{"rule": name, "now": now[name], "limit": _limit(limit)} for name, limit in rules.items()]


def _limit(limit: Any) -> str:
    if isinstance(limit, bool):
        return "an alarm" if limit else "never"
    return "never" if limit is None else f"{limit:g}"
