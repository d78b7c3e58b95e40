"""A loop's schedules as they stand at the API: in the profile's experiment, and in those that earlier profiles named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ratchet.errors import PlatformError, PlatformUnavailable
from ratchet.operations.schedules import experiment_key, forget_experiment, is_of, noted_experiments
from ratchet.platform.asking import NotThere
from ratchet.platform.pipelines import Pipelines, parameters_of
from ratchet.store import Store


def experiments_of(store: Store, loop: str, *current: str | None) -> list[str]:
    """Ids of the experiments that may hold schedules of the loop: the `current` ones first."""
    return list(dict.fromkeys([*(one for one in current if one), *noted_experiments(store, loop)]))


def of_loop(client: Pipelines, experiments: Iterable[str], loop: str) -> list[Any]:
    """The loop's schedules in all of these, the oldest first; of one second always in the same order.

    Raises PlatformError for an experiment that the API refuses to show: its schedules may be on.
    """
    every = [one for experiment in experiments for one in _in(client, experiment, loop)]
    found = sorted(every, key=lambda one: (one.created_at, one.recurring_run_id))
    return [one for one in found if is_of(one.display_name, loop) and parameters_of(one).get("loop", loop) == loop]


def _in(client: Pipelines, experiment: str, loop: str) -> list[Any]:
    try:
        return client.recurring_runs(experiment)
    except NotThere:
        return []  # deleted, and its schedules with it
    except PlatformUnavailable:
        raise
    except PlatformError as error:
        raise PlatformError(
            f"{error} Experiment {experiment} may hold schedules of loop {loop}. If an earlier profile named it and this access may not "
            f"see it: delete them there, then {experiment_key(loop, experiment)} in the store."
        ) from error


def forget_empty(store: Store, client: Pipelines, loop: str, *, but: str | None = None) -> None:
    """Forget the noted experiments in which the loop has no schedule; `but`: the one that it is to have one in."""
    for experiment in noted_experiments(store, loop):
        if experiment != but and not of_loop(client, [experiment], loop):
            forget_experiment(store, loop, experiment)
