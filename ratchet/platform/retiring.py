"""Schedules that are wanted no more: switched off at once, deleted when none of their runs is under way.

Deleting a recurring run makes the cluster delete the workflows that it owns, also one that runs
(kubeflow/pipelines#7421). What waits is not written down: it is found again by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ratchet.platform.asking import NotThere
from ratchet.platform.pipelines import Pipelines, is_active


@dataclass(frozen=True)
class Retired:
    """`waiting`: schedules that are off and stay until their runs (the values) have ended."""

    removed: tuple[str, ...] = ()
    waiting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def under_way(client: Pipelines, schedules: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    """The runs that have not ended in the experiments of these schedules, by the schedule that started them."""
    found: dict[str, tuple[str, ...]] = {}
    experiments = dict.fromkeys(one.experiment_id for one in schedules)
    for run in (run for experiment in experiments for run in client.runs(experiment)):
        if run.recurring_run_id and is_active(run):
            found[run.recurring_run_id] = (*found.get(run.recurring_run_id, ()), run.run_id)
    return found


def switch_off(client: Pipelines, schedules: Sequence[Any]) -> bool:
    """Whether one of them was on."""
    on = [one.recurring_run_id for one in schedules if one.status == "ENABLED"]
    for schedule in on:
        with suppress(NotThere):
            client.switch_recurring_run(schedule, on=False)
    return bool(on)


def remove(client: Pipelines, schedules: Sequence[Any]) -> Retired:
    """Delete those that no run would end with. All must be off, so that none starts a run while we look."""
    busy = under_way(client, schedules)
    known = [one.recurring_run_id for one in schedules]
    idle = tuple(schedule for schedule in known if schedule not in busy)
    for schedule in idle:
        client.delete_recurring_run(schedule)
    waiting = {schedule: busy[schedule] for schedule in known if schedule in busy}
    return Retired(idle, waiting)
