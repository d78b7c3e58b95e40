"""What schedule a loop is to have, kept in the store: the platform's is made to agree with it, whoever was killed when.

<root>/loops/<loop>/{schedule.json, schedules/<experiment>.json}

The second are the experiments of KFP in which the loop may have schedules: the profile's experiment can change, and what was
made under the earlier one stays there until it is deleted.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from ratchet import canonical, rounds
from ratchet.errors import NotFound, RecipeError, RoundError
from ratchet.records import Record
from ratchet.registry.base import CHAMPION
from ratchet.store import Store

_FIELD = re.compile(r"[0-9A-Za-z*/,?\-]+")
_EVERY = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly|every \d+[hms].*)")


class ScheduleSpec(Record):
    """What is started, and when. Two specifications with the same digest are one schedule."""

    loop: str
    cron: str = Field(description="in UTC, with seconds first: as KFP reads it")
    recipe: str
    seed: str = CHAMPION
    budget: float = 0.0
    pipeline: str
    version: str | None = Field(None, description="id of the one version to run; None: the newest at every start")
    experiment: str
    service_account: str | None = None
    origin: Literal["schedule"] = Field(
        "schedule", description="given to every run, so that begin knows who started it"
    )

    @field_validator("cron", mode="before")
    @classmethod
    def _with_seconds(cls, given: str) -> str:
        return cron_of(given)

    @property
    def name(self) -> str:
        return f"ratchet-{self.loop}-{canonical.digest(self.model_dump(mode='json'))[:10]}"


class WantedSchedule(Record):
    spec: ScheduleSpec
    paused: bool = False


def cron_of(given: str) -> str:
    """Six fields, seconds first. KFP would read the five of a crontab from the seconds on: every minute, not every hour.

    Raises RecipeError for what is no crontab line.
    """
    fields = given.split()
    if _EVERY.fullmatch(given.strip()):
        return given.strip()
    if len(fields) not in (5, 6) or not all(_FIELD.fullmatch(field) for field in fields):
        raise RecipeError(
            f"schedule {given!r} must have the five fields of a crontab line (minute hour day month weekday, in UTC), as '0 2 * * *' for "
            "02:00 each night, or six with seconds first, or @daily."
        )
    return " ".join(fields if len(fields) == 6 else ["0", *fields])


def is_of(name: str, loop: str) -> bool:
    """Whether a schedule's name is one that we gave to this loop."""
    return re.fullmatch(rf"ratchet-{re.escape(loop)}-[0-9a-f]{{10}}", name) is not None


def schedule_key(loop: str) -> str:
    return f"{rounds.loop_prefix(loop)}/schedule.json"


def read_wanted(store: Store, loop: str) -> WantedSchedule | None:
    try:
        return WantedSchedule.model_validate_json(store.get(schedule_key(loop)))
    except NotFound:
        return None
    except ValidationError as error:
        raise RoundError(
            f"{store.uri(schedule_key(loop))} is no schedule of this version of ratchet: {error.errors()[0]['msg']}. "
            f"Write it anew with `ratchet schedule ensure --loop {loop}`."
        ) from error


def write_wanted(store: Store, wanted: WantedSchedule) -> None:
    store.put(schedule_key(wanted.spec.loop), canonical.pretty(wanted.model_dump(mode="json")))


def note_experiment(store: Store, loop: str, experiment: str) -> None:
    """Note it before a schedule is made there, so that whoever is killed in between leaves none that nobody finds."""
    store.put(experiment_key(loop, experiment), canonical.pretty({"experiment": experiment}))


def noted_experiments(store: Store, loop: str) -> list[str]:
    """The ids of experiments that may hold schedules of the loop, also after its schedule was deleted."""
    wanted = read_wanted(store, loop)
    found = {store.key(one.uri).rpartition("/")[2].removesuffix(".json") for one in store.list(_noted(loop))}
    return sorted(found | ({wanted.spec.experiment} if wanted is not None else set()))


def forget_experiment(store: Store, loop: str, experiment: str) -> None:
    store.delete(experiment_key(loop, experiment))


def experiment_key(loop: str, experiment: str) -> str:
    return f"{_noted(loop)}{experiment}.json"


def _noted(loop: str) -> str:
    return f"{rounds.loop_prefix(loop)}/schedules/"


def forget_wanted(store: Store, loop: str) -> None:
    store.delete(schedule_key(loop))
