"""`ratchet schedule ...`: the recurring rounds of a loop on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ratchet.cli.cluster import PlaceOption, profile_of
from ratchet.cli.output import (
    EmbeddedOption,
    JsonOption,
    LoopOption,
    console,
    print_json,
    print_lines,
    whole,
    workplace,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ratchet.platform.pipelines import Pipelines
    from ratchet.platform.places import Place
    from ratchet.platform.scheduling import Ensured
    from ratchet.profile import Profile
    from ratchet.store import Store

app = typer.Typer(
    no_args_is_help=True, help="A loop's schedule at Kubeflow Pipelines: one round at a time, none made up for."
)


@contextmanager
def _at(profile: str | None, embedded: Path | None) -> Iterator[tuple[Store, Pipelines, Place, Profile]]:
    from ratchet.platform.places import Place
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        loaded = profile_of(settings, profile)
        place = Place.of(loaded)
        yield open_store(settings.root), place.connect(), place, loaded


@app.command(epilog="Example: ratchet schedule ensure --loop mine --cron '0 2 * * *' --recipe rft --profile gpu.yaml")
def ensure(
    loop: LoopOption = "default",
    cron: Annotated[
        str | None, typer.Option(help="When, as in a crontab, in UTC; default: the times that it has.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", "-r", help="Shipped name, YAML file or text; default: the loop's policy.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Start from this version instead of the champion.")] = None,
    budget: Annotated[float | None, typer.Option(min=0, help="Hours of a device that one round may take.")] = None,
    pin: Annotated[
        bool | None,
        typer.Option("--pin/--no-pin", help="Stay at the pipeline version that is the newest now; default: as it was."),
    ] = None,
    take_over: Annotated[bool, typer.Option("--take-over", help="Also a loop that a trigger drives.")] = False,
    profile: PlaceOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a loop the schedule that is asked for. Given again it changes nothing; changed, it takes the old one's place."""
    from ratchet.operations.policy import read_policy
    from ratchet.platform import scheduling
    from ratchet.platform.recipes import policy_of

    with _at(profile, embedded) as (store, client, place, loaded):
        policy = policy_of(read_policy(store, loop), loaded, recipe, seed=seed, budget=budget)
        made = scheduling.ensure(store, client, place, loop, cron, policy, pin=pin, take_over=take_over)
    say(made, as_json)


def say(made: Ensured, as_json: bool) -> None:
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    said = "made" if made.made else "as it was"
    console.print(f"schedule {made.name}: {said}, {made.cron!r} (seconds first, UTC)", highlight=False, soft_wrap=True)
    if made.removed:
        console.print(f"{len(made.removed)} other schedule(s) of the loop deleted", highlight=False)
    if made.waiting:
        console.print(
            f"{len(made.waiting)} other schedule(s) switched off, whose run goes on; the next `ratchet schedule ensure` deletes them",
            highlight=False,
        )
    if not made.enabled:
        console.print("it is paused; `ratchet schedule resume` goes on", highlight=False)


@app.command(epilog="Example: ratchet schedule pause --loop mine --profile gpu.yaml")
def pause(loop: LoopOption = "default", profile: PlaceOption = None, embedded: EmbeddedOption = None) -> None:
    """Start no more rounds. A round that runs goes on."""
    from ratchet.platform import scheduling

    with _at(profile, embedded) as (store, client, _, _):
        found = scheduling.pause(store, client, loop)
    console.print(f"paused: {', '.join(found) or 'nothing was scheduled'}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: ratchet schedule resume --loop mine --profile gpu.yaml")
def resume(
    loop: LoopOption = "default",
    profile: PlaceOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a loop whose schedule was paused, or that one of its stop rules stopped."""
    from ratchet.platform import scheduling

    with _at(profile, embedded) as (store, client, _, _):
        made = scheduling.resume(store, client, loop)
    if made is not None:
        say(made, as_json)
    elif as_json:
        print_json(None)
    else:
        console.print(f"loop {loop} is no longer stopped; it has no schedule that would start rounds", highlight=False)


@app.command(epilog="Example: ratchet schedule delete --loop mine --profile gpu.yaml")
def delete(
    loop: LoopOption = "default",
    now: Annotated[
        bool, typer.Option("--now", help="Also one whose run is under way: the cluster ends that run with it.")
    ] = False,
    profile: PlaceOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the loop's schedule; nobody owns the loop then. A round that runs goes on, and its schedule waits for its end."""
    from ratchet.platform import scheduling

    with _at(profile, embedded) as (store, client, place, _):
        done = scheduling.delete(store, client, place, loop, now=now)
    if as_json:
        print_json(done.model_dump(mode="json"))
        return
    removed = ", ".join(done.removed) or ("none yet" if done.waiting else "there was none")
    lines = [f"deleted: {removed}"]
    lines += [
        f"{schedule} is switched off, and stays until run {', '.join(runs)} has ended: deleting it would end the run. "
        f"`ratchet schedule delete --loop {loop}` again after that, or now with --now"
        for schedule, runs in done.waiting.items()
    ]
    lines += [f"run {run} ends with it; `ratchet stop {run}` ends its round, too" for run in done.killed]
    print_lines(lines)


@app.command(epilog="Example: ratchet schedule show --loop mine --profile gpu.yaml")
def show(
    loop: LoopOption = "default",
    profile: PlaceOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """The loop's schedules as they are at Kubeflow Pipelines, against the one that it is to have."""
    from ratchet.operations.policy import read_stopped
    from ratchet.platform import scheduling

    with _at(profile, embedded) as (store, client, place, _):
        found, stopped = scheduling.show(store, client, place, loop), read_stopped(store, loop)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    table = Table(whole("schedule"), "name", "when", "on", "stands", box=None, pad_edge=False)
    for one in found:
        table.add_row(one.schedule, one.name, one.cron or "", "yes" if one.enabled else "no", one.stands)
    console.print(table if found else f"loop {loop} has no schedule; `ratchet schedule ensure` makes one")
    if any(one.stands in ("old", "duplicate") for one in found):
        console.print(f"`ratchet schedule ensure --loop {loop}` leaves the one that is wanted", highlight=False)
    for one in found:
        if one.stands == "ending":
            words = (
                f"{one.schedule} stays until run {', '.join(one.runs)} has ended; the next ensure or delete removes it"
            )
            console.print(words, highlight=False, soft_wrap=True)
    if stopped is not None:
        console.print(stopped.words(loop), style="yellow", highlight=False, markup=False)
