"""Recurring runs of KFP, made to agree with what the store says a loop is to have.

A recurring run cannot be changed. A new one is made switched off, then the others of the loop are switched off, then it is
switched on, then the others are deleted: two are never on at once, and whoever is killed in between leaves what the next
`ensure` puts right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from ratchet.errors import PlatformError, PlatformUnavailable, RoundError
from ratchet.operations import policy as policies
from ratchet.operations.changing import give_to_schedule, set_free
from ratchet.operations.ownership import kept
from ratchet.operations.policy import LoopPolicy
from ratchet.operations.schedules import (
    ScheduleSpec,
    WantedSchedule,
    forget_wanted,
    note_experiment,
    read_wanted,
    write_wanted,
)
from ratchet.platform.asking import NotThere
from ratchet.platform.pipelines import Pipelines
from ratchet.platform.places import Place
from ratchet.platform.retiring import Retired, remove, switch_off, under_way
from ratchet.platform.standing import experiments_of, forget_empty, of_loop
from ratchet.platform.starter import deployed
from ratchet.records import Record
from ratchet.store import Store

TURNS = 6
MINE = {"max_concurrency": "1", "no_catchup": True}
"""Two rounds never run at once, and rounds that were missed are not made up for."""


class Shown(Record):
    """A schedule at the API. `stands`: as wanted, old (of an earlier specification, or in an experiment that the profile no longer
    names), duplicate, or ending (old or duplicate, off, and kept only until its `runs` have ended)."""

    schedule: str
    name: str
    cron: str | None
    enabled: bool
    stands: str
    runs: tuple[str, ...] = ()


class Ensured(Record):
    schedule: str
    name: str
    cron: str
    made: bool
    removed: tuple[str, ...]
    waiting: tuple[str, ...] = ()
    enabled: bool


class Deleted(Record):
    """What `delete` did. `waiting`: the schedules that are off and stay until their runs have ended; `killed`: runs that the
    cluster ends with their schedules."""

    removed: tuple[str, ...]
    waiting: dict[str, tuple[str, ...]] = {}
    killed: tuple[str, ...] = ()


def ensure(
    store: Store,
    client: Pipelines,
    place: Place,
    loop: str,
    cron: str | None,
    policy: LoopPolicy,
    *,
    pin: bool | None = None,
    take_over: bool = False,
) -> Ensured:
    """Give the loop the schedule `cron` (None: the one that it has) that starts what `policy` says, and make the schedule its owner.

    Raises RoundError for a loop of a trigger, unless it is to `take_over`. A schedule that was paused stays paused; `pin` None: one that was pinned
    is pinned to the version that is the newest now.
    """
    known, before = policies.read_policy(store, loop), read_wanted(store, loop)
    if known is not None and known.owner == "trigger" and not take_over:
        raise RoundError(kept(loop, "trigger"))
    if cron is None and before is None:
        raise RoundError(f"loop {loop} has no schedule yet: say when, as --cron '0 2 * * *' for 02:00 UTC each night.")
    pinned = pin if pin is not None else before is not None and before.spec.version is not None
    version = deployed(client, place)
    experiment, _ = client.experiment(place.experiment_of(loop), f"loop {loop}")
    spec = ScheduleSpec(
        loop=loop,
        cron=cron or (before.spec.cron if before else ""),
        recipe=policy.recipe,
        seed=policy.seed,
        budget=policy.budget,
        pipeline=version.pipeline_id,
        version=version.pipeline_version_id if pinned else None,
        experiment=experiment.experiment_id,
        service_account=place.service_account,
    )
    wanted = WantedSchedule(spec=spec, paused=before.paused if before else False)
    give_to_schedule(store, loop, known, policy)
    experiments = experiments_of(store, loop, spec.experiment)
    for one in experiments:
        note_experiment(store, loop, one)
    write_wanted(store, wanted)
    made = agree(client, wanted, experiments)
    forget_empty(store, client, loop, but=spec.experiment)
    return made


def agree(client: Pipelines, wanted: WantedSchedule, experiments: Iterable[str]) -> Ensured:
    """Make the API agree with what is wanted, from whatever there is in these experiments, and see that it does.

    Several that do this at once may each make one, or delete what another keeps: they look again, and then keep the same.
    """
    mine, removed = _made(client, wanted.spec), set[str]()
    for _ in range(TURNS):
        found = of_loop(client, experiments, wanted.spec.loop)
        kept = next((one for one in found if one.display_name == wanted.spec.name), None)
        if kept is None:
            mine = _made(client, wanted.spec)
            continue
        others = [one for one in found if one.recurring_run_id != kept.recurring_run_id]
        settled = not switch_off(client, others) and (kept.status == "ENABLED") != wanted.paused
        if not settled:
            # Deleted meanwhile: the next look tells what stands.
            with suppress(NotThere):
                client.switch_recurring_run(kept.recurring_run_id, on=not wanted.paused)
        gone = remove(client, others)
        removed |= {*gone.removed}
        if settled and not gone.removed:
            new = mine[1] and mine[0].recurring_run_id == kept.recurring_run_id
            return _ensured(kept, wanted, new, removed, gone.waiting)
    raise PlatformUnavailable(
        f"the schedules of loop {wanted.spec.loop} change while they are looked at: are several `ratchet schedule ensure` running? Again."
    )


def _ensured(kept: Any, wanted: WantedSchedule, made: bool, removed: set[str], waiting: Iterable[str]) -> Ensured:
    return Ensured(
        schedule=kept.recurring_run_id,
        name=wanted.spec.name,
        cron=wanted.spec.cron,
        made=made,
        removed=tuple(sorted(removed)),
        waiting=tuple(sorted(waiting)),
        enabled=not wanted.paused,
    )


def pause(store: Store, client: Pipelines, loop: str) -> Sequence[str]:
    """Switch the loop's schedules off. A round that runs goes on."""
    wanted = _need(store, loop)
    write_wanted(store, wanted.model_copy(update={"paused": True}))
    found = of_loop(client, experiments_of(store, loop), loop)
    for one in found:
        client.switch_recurring_run(one.recurring_run_id, on=False)
    return [one.recurring_run_id for one in found]


def resume(store: Store, client: Pipelines, loop: str) -> Ensured | None:
    """Go on with a loop that was paused, or that stopped itself. None: it was stopped, and has no schedule to switch on."""
    stopped = policies.read_stopped(store, loop)
    if stopped is not None and read_wanted(store, loop) is None:
        policies.go_on(store, loop)
        return None
    wanted = _need(store, loop).model_copy(update={"paused": False})
    policies.go_on(store, loop)
    write_wanted(store, wanted)
    return agree(client, wanted, experiments_of(store, loop))


def delete(store: Store, client: Pipelines, place: Place, loop: str, *, now: bool = False) -> Deleted:
    """Delete the loop's schedules; nobody owns it then. What runs goes on, and its schedule waits for it, switched off.

    `now`: those as well, and the cluster ends what they have started.
    """
    found = of_loop(client, experiments_of(store, loop, _named(client, place, loop)), loop)
    switch_off(client, found)
    gone = remove(client, found)
    done = _killed(client, gone) if now else Deleted(removed=gone.removed, waiting=dict(gone.waiting))
    for one in found:
        note_experiment(store, loop, one.experiment_id)
    forget_wanted(store, loop)
    forget_empty(store, client, loop)
    set_free(store, loop)
    return done


def _killed(client: Pipelines, gone: Retired) -> Deleted:
    """Also the schedules whose runs are under way."""
    killed = tuple(run for runs in gone.waiting.values() for run in runs)
    for run in killed:
        # Its workflow goes with the schedule; without this the API would call it running for ever. It may have ended meanwhile.
        with suppress(PlatformError):
            client.terminate(run)
    for schedule in gone.waiting:
        client.delete_recurring_run(schedule)
    return Deleted(removed=(*gone.removed, *gone.waiting), killed=killed)


def show(store: Store, client: Pipelines, place: Place, loop: str) -> list[Shown]:
    """The loop's schedules as they are at the API."""
    wanted = read_wanted(store, loop)
    here = _named(client, place, loop)
    found = of_loop(client, experiments_of(store, loop, here), loop)
    mine = [one for one in found if one.experiment_id == here]
    same = [one for one in mine if wanted is not None and one.display_name == wanted.spec.name]
    busy = under_way(client, found)

    def stands(one: Any) -> str:
        if one in same[:1]:
            return "as wanted"
        if one.status != "ENABLED" and one.recurring_run_id in busy:
            return "ending"
        return "duplicate" if one in same else "old"

    return [
        Shown(
            schedule=one.recurring_run_id,
            name=one.display_name,
            cron=one.trigger.cron_schedule.cron if one.trigger and one.trigger.cron_schedule else None,
            enabled=one.status == "ENABLED",
            stands=stands(one),
            runs=busy.get(one.recurring_run_id, ()),
        )
        for one in found
    ]


def _need(store: Store, loop: str) -> WantedSchedule:
    wanted = read_wanted(store, loop)
    if wanted is None:
        raise RoundError(
            f"loop {loop} has no schedule: `ratchet schedule ensure --loop {loop} --cron '0 2 * * *'` makes one."
        )
    return wanted


def _made(client: Pipelines, spec: ScheduleSpec) -> tuple[Any, bool]:
    """A schedule of this specification, and whether it was made now, switched off."""

    def find() -> Any | None:
        return next(
            (one for one in of_loop(client, [spec.experiment], spec.loop) if one.display_name == spec.name), None
        )

    try:
        return client.create_recurring_run(_body(spec), find)
    except PlatformUnavailable as error:
        if spec.version is not None:
            raise
        raise PlatformUnavailable(
            f"{error} If the API only fails for schedules: some releases cannot make one that follows the newest version "
            "(kubeflow/pipelines#13440); `--pin` names the version, and each deploy then wants `ratchet schedule ensure --pin`."
        ) from error


def _named(client: Pipelines, place: Place, loop: str) -> str | None:
    """The id of the experiment that the profile names, if there is one."""
    found = client.find_experiment(place.experiment_of(loop))
    return str(found.experiment_id) if found is not None else None


def _body(spec: ScheduleSpec) -> Any:
    import kfp_server_api as api

    given: dict[str, Any] = {"recipe": spec.recipe, "loop": spec.loop, "seed": spec.seed, "origin": spec.origin}
    if spec.budget:
        given["budget"] = spec.budget
    return api.V2beta1RecurringRun(
        display_name=spec.name,
        description=f"rounds of loop {spec.loop}; made by `ratchet schedule ensure`, which also changes it",
        experiment_id=spec.experiment,
        pipeline_version_reference=api.V2beta1PipelineVersionReference(
            pipeline_id=spec.pipeline, pipeline_version_id=spec.version
        ),
        runtime_config=api.V2beta1RuntimeConfig(parameters=given),
        service_account=spec.service_account,
        trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=spec.cron)),
        mode=api.RecurringRunMode.DISABLE,
        **MINE,
    )
