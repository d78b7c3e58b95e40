"""How an alarm is put: its words, and the small comparisons that all of them make."""

from __future__ import annotations

from typing import Any

from ratchet.alarms.seen import Alarm, Seen
from ratchet.recipe import AlarmsConfig
from ratchet.verify.vitals import Vitals


def alarm(
    name: str,
    limits: Any,
    value: float | None,
    threshold: float,
    words: str,
    advice: str,
    reference: float | None = None,
    then: Seen | None = None,
) -> Alarm:
    since = f"; compared with round {then.number}" if then is not None else ""
    return Alarm(
        name=name,
        action=limits.action,
        value=round(value or 0.0, 6),
        threshold=threshold,
        reference=None if reference is None else round(reference, 6),
        since=then.number if then is not None else None,
        words=f"{words}{since}",
        next=f"{advice}. To go on all the same, run the recipe with alarms.{name}.action warn."
        if limits.action == "stop"
        else f"{advice}.",
    )


def enough(config: AlarmsConfig, now: Seen, then: Seen) -> tuple[Vitals, Vitals] | None:
    """Both rounds' vitals; None where one has too few prompts to say anything."""
    here, there = now.vitals, then.vitals
    if here is None or there is None or min(here.prompts, there.prompts) < config.min_prompts:
        return None
    return here, there


def minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
