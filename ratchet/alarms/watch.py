"""Look at a running round with its alarms: compare, write down, warn, or stop.

What was seen is in `<round>/alarms/<stage>.json`, what was raised also in the stage's results. Control arms watch nothing:
they are meant to go wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from ratchet import canonical, rounds
from ratchet.alarms.rules import before_promotion, before_training
from ratchet.alarms.seen import Alarm, Seen, seen_in
from ratchet.artifacts import Manifest, read_manifest
from ratchet.errors import NotFound, RoundError, RoundStopped
from ratchet.recipe import Recipe
from ratchet.rounds import Round
from ratchet.stage import StageContext
from ratchet.store import Store

log = logging.getLogger(__name__)
Moment = Literal["filter", "promote"]
MOMENTS: tuple[Moment, ...] = ("filter", "promote")
_BEFORE = {"filter": "verify", "promote": "evaluate"}
"""The stage that an earlier round must have finished to be compared with."""


def watch(context: StageContext) -> list[Alarm]:
    """What the alarms of the round say at its stage filter or promote; every one is logged as a warning."""
    opened = context.round
    if opened.control is not None:
        return []
    config, name = opened.recipe.alarms, context.name
    now = seen_in(opened.number, opened.recipe, _lineage(context))
    earlier = references(context.store, opened, _BEFORE[name])
    training = name == "filter"
    found = (
        before_training(now, earlier, config, opened.recipe.verify.chosen)
        if training
        else before_promotion(now, earlier, config)
    )
    _write(context, now, earlier, found)
    for one in found:
        log.warning("round %d, alarm %s (%s): %s. %s", opened.number, one.name, one.action, one.words, one.next)
    return found


def check(context: StageContext) -> list[Alarm]:
    """`watch`, and raise RoundStopped where an alarm says stop."""
    found = watch(context)
    words = stopping(found)
    if words is not None:
        raise RoundStopped(words)
    return found


def vitals_of(context: StageContext) -> dict[str, Any]:
    """The vitals of the round that the stage belongs to, as JSON; empty where they were not taken."""
    vitals = seen_in(context.round.number, context.round.recipe, _lineage(context)).vitals
    return vitals.model_dump(mode="json") if vitals is not None else {}


def stopping(found: Iterable[Alarm]) -> str | None:
    """Why the alarms stop the round, and how to go on; None where they do not."""
    stops = [one for one in found if one.action == "stop"]
    if not stops:
        return None
    said = " ".join(f"alarm {one.name}: {one.words}. {one.next}" for one in stops)
    return f"{said} The champion stays as it was; the next run opens a new round."


def raised(store: Store, loop: str, number: int) -> list[tuple[Moment, Alarm]]:
    """All that a round's alarms have said so far, and before what."""
    found = []
    for moment in MOMENTS:
        try:
            body = canonical.loads(store.get(place(rounds.round_prefix(loop, number), moment)))
        except NotFound:
            continue
        found += [(moment, Alarm.model_validate(one)) for one in body["alarms"]]
    return found


def place(prefix: str, moment: str) -> str:
    return f"{prefix}/alarms/{moment}.json"


def references(store: Store, opened: Round, stage: str) -> list[Seen]:
    """The loop's first and latest rounds before this one that are comparable and came as far as `stage`."""
    numbers = [n for n in rounds.numbers(store, opened.loop) if n < opened.number]
    first = _first(numbers, lambda n: _reference(store, opened, n, stage))
    if first is None:
        return []
    last = _first([n for n in reversed(numbers) if n > first.number], lambda n: _reference(store, opened, n, stage))
    return [first, last] if last is not None else [first]


def _first(numbers: Iterable[int], read: Callable[[int], Seen | None]) -> Seen | None:
    return next((seen for n in numbers if (seen := read(n)) is not None), None)


def _reference(store: Store, opened: Round, number: int, stage: str) -> Seen | None:
    try:
        other = rounds.read_round(store, opened.loop, number)
    except RoundError as error:
        log.warning("alarms compare with no older round that this ratchet cannot read: %s", error)
        return None
    if not comparable(opened.recipe, other.recipe):
        return None
    done = rounds.manifests(store, opened.loop, number)
    return seen_in(number, other.recipe, done) if stage in done else None


def comparable(one: Recipe, other: Recipe) -> bool:
    """Whether what two recipes collect and how they judge it is the same; how they train, filter and watch may differ."""
    return _asked(one) == _asked(other)


def _asked(recipe: Recipe) -> tuple[Any, ...]:
    prompts = recipe.prompts
    verify = recipe.verify.model_copy(update={"audit": None})
    return prompts.source, prompts.pictures, prompts.skills, recipe.generate, verify, recipe.evaluate


def _lineage(context: StageContext) -> Mapping[str, Manifest]:
    """The manifests that this stage's own go back to, by stage."""
    found = dict(context.parents)
    for child in ("train", "filter"):
        for name, parent in found[child].parents.items() if child in found else ():
            if name in ("filter", "verify"):
                found[name] = read_manifest(context.store, context.store.key(parent.uri))
    return found


def _write(context: StageContext, now: Seen, earlier: Iterable[Seen], found: Iterable[Alarm]) -> None:
    body = {
        "stage": context.name,
        "alarms": [one.model_dump(mode="json") for one in found],
        "vitals": now.vitals.model_dump(mode="json") if now.vitals is not None else None,
        "precision": now.precision._asdict() if now.precision is not None else None,
        "compared_with": [one.number for one in earlier],
        "thresholds": context.round.recipe.alarms.model_dump(mode="json"),
    }
    context.check_lease()
    context.store.put(place(context.round.prefix, context.name), canonical.pretty(body))
