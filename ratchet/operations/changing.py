"""Changes of a loop's policy: by a person, and by its schedule as that is made or deleted. Each sets only what it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ratchet.errors import RoundError
from ratchet.operations.ownership import kept
from ratchet.operations.policy import LoopPolicy, StopRules, change_policy, read_policy
from ratchet.operations.schedules import read_wanted
from ratchet.store import Store

OF_SCHEDULE = ("owner", "recipe", "seed", "budget")
"""What a schedule has written into its runs: a change of these is none of the schedule's before it is made anew."""


@dataclass(frozen=True)
class PolicyChange:
    """What is to change: fields of LoopPolicy, and of its StopRules; what is not in them stays. `take_over`: also a loop that the
    other owner drives."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    take_over: bool = False

    def __bool__(self) -> bool:
        return bool(self.fields or self.rules)


def change(store: Store, loop: str, asked: PolicyChange) -> LoopPolicy:
    """Change the loop's policy. Raises RoundError for one that would have no recipe, and for a loop of the other owner."""
    return change_policy(store, loop, lambda now: _changed(loop, now, asked))


def _changed(loop: str, now: LoopPolicy | None, asked: PolicyChange) -> LoopPolicy:
    if now is None and "recipe" not in asked.fields:
        raise RoundError(f"loop {loop} has no policy yet: say what its rounds learn by, as --recipe rft.")
    owner = asked.fields.get("owner")
    if now is not None and owner not in (None, now.owner) and not asked.take_over and _is_driven(now, owner):
        raise RoundError(kept(loop, now.owner))
    before = now.stop if now is not None else StopRules()
    try:
        stop = StopRules.model_validate({**before.model_dump(), **asked.rules})
        known = now.model_dump() if now is not None else {}
        return LoopPolicy.model_validate({**known, **asked.fields, "stop": stop})
    except ValidationError as error:
        first = error.errors()[0]
        raise RoundError(f"{'.'.join(map(str, first['loc']))} {first['input']!r}: {first['msg']}.") from error


def _is_driven(now: LoopPolicy, owner: str) -> bool:
    """A trigger reads the policy each time and lets go by itself; a schedule has to be deleted."""
    return now.owner == "schedule" or (now.owner == "trigger" and owner == "schedule")


def what_else(store: Store, loop: str, asked: PolicyChange, policy: LoopPolicy) -> list[str]:
    """What a person who has changed the policy has to do besides."""
    wanted = read_wanted(store, loop)
    if policy.owner == "trigger" and "owner" in asked.fields:
        lines = [f"`ratchet trigger serve --loop {loop}` starts its rounds, as long as it runs"]
        gone = f"its schedule is still there, and the runs of it end at begin: `ratchet schedule delete --loop {loop}`"
        return [*lines, gone] if wanted is not None else lines
    if policy.owner == "nobody" and wanted is not None and "owner" in asked.fields:
        return [f"its schedule goes on: `ratchet schedule delete --loop {loop}`"]
    if policy.owner == "schedule" and wanted is None:
        return [f"it has no schedule yet: `ratchet schedule ensure --loop {loop} --cron '0 2 * * *'`"]
    if policy.owner == "schedule" and set(asked.fields) & set(OF_SCHEDULE[1:]):
        return [f"its schedule starts what it was made with, until `ratchet schedule ensure --loop {loop}`"]
    return []


def give_to_schedule(store: Store, loop: str, known: LoopPolicy | None, policy: LoopPolicy) -> LoopPolicy:
    """Make the schedule that starts what `policy` says the owner. Raises RoundError where what stands is not `known` any more, which
    the schedule was decided on."""

    def scheduled(now: LoopPolicy | None) -> LoopPolicy:
        if now is not None and (known is None or any(getattr(now, one) != getattr(known, one) for one in OF_SCHEDULE)):
            raise RoundError(
                f"the policy of loop {loop} was changed by another at this moment; look at it, and try again."
            )
        given = {one: getattr(policy, one) for one in OF_SCHEDULE[1:]}
        return (now or policy).model_copy(update={**given, "owner": "schedule"})

    return change_policy(store, loop, scheduled)


def set_free(store: Store, loop: str) -> None:
    """A loop whose schedule was deleted is nobody's; one of the trigger stays its own."""

    def freed(now: LoopPolicy | None) -> LoopPolicy:
        if now is None:
            raise RoundError(f"the policy of loop {loop} was deleted at this moment; its schedule is deleted, too.")
        return now.model_copy(update={"owner": "nobody"}) if now.owner == "schedule" else now

    if read_policy(store, loop) is not None:
        change_policy(store, loop, freed)
