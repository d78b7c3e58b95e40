"""Commands on runs of Kubeflow Pipelines: deploy, submit, runs, logs, stop."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ratchet.cli.compiling import ImageOption, chosen
from ratchet.cli.output import (
    EmbeddedOption,
    JsonOption,
    LoopOption,
    console,
    errors,
    print_json,
    print_lines,
    whole,
    workplace,
)
from ratchet.errors import RoundError

if TYPE_CHECKING:
    from ratchet.platform.places import Place
    from ratchet.profile import Profile
    from ratchet.settings import Settings

PANEL = "Cluster"
PlaceOption = Annotated[
    str | None,
    typer.Option("--profile", help="Where it runs: a shipped name or a YAML file; default: RATCHET_PROFILE."),
]
AllowTagsOption = Annotated[
    bool, typer.Option("--allow-tags", help="Also images without a digest, as in development: a tag may be moved.")
]
RunArgument = Annotated[str, typer.Argument(help="Id of a run, as `ratchet runs` shows it.")]
WhyOption = Annotated[str, typer.Option(help="Reason, kept with the round.")]


def register(app: typer.Typer) -> None:
    for function, example in (
        (deploy, "ratchet deploy --profile gpu.yaml"),
        (submit, "ratchet submit --loop mine --recipe rft --profile gpu.yaml --wait"),
        (runs, "ratchet runs --loop mine --profile gpu.yaml"),
        (logs, "ratchet logs 0b9c6f6e-4a9e-4c3e-8a39-6c4f7c0f4a11 --stage train --profile gpu.yaml"),
        (stop, "ratchet stop --loop mine --why 'wrong recipe' --profile gpu.yaml"),
    ):
        app.command(rich_help_panel=PANEL, epilog=f"Example: {example}")(function)


def profile_of(settings: Settings, given: str | None) -> Profile:
    from ratchet.profile import Profile

    return Profile.load(given or settings.profile)


def deploy(
    profile: PlaceOption = None,
    image: ImageOption = None,
    allow_tags: AllowTagsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compile the round for a profile and upload it to Kubeflow Pipelines, unless the newest version is the same."""
    from ratchet.platform import deploying, places

    loaded = chosen(profile, image)
    deploying.check_images(loaded, allow_tags)
    made = deploying.deploy(places.Place.of(loaded).connect(), loaded, allow_tags=allow_tags)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    said = "uploaded" if made.new else "unchanged"
    console.print(f"{made.pipeline}: {said}, version {made.version} (sha256 {made.digest[:12]})", highlight=False)


def submit(
    loop: LoopOption = "default",
    recipe: Annotated[
        str | None, typer.Option("--recipe", "-r", help="Shipped name, YAML file or text; default: the loop's policy.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Start from this version instead of the champion.")] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Hours of a device that the round may take; 0: as many as it needs.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the last round, if it FAILED.")] = False,
    key: Annotated[
        str | None, typer.Option(help="Name of this request: a second one with the same key starts nothing.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until the run has ended; fails if its round failed.")] = False,
    profile: PlaceOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start one round as a run of Kubeflow Pipelines."""
    from ratchet.operations.policy import read_policy, read_stopped
    from ratchet.operations.starting import RoundRequest
    from ratchet.platform.places import Place
    from ratchet.platform.recipes import policy_of
    from ratchet.platform.starter import KfpStarter
    from ratchet.store import open_store

    with workplace(embedded) as settings:
        store, place_of = open_store(settings.root), profile_of(settings, profile)
        stopped = read_stopped(store, loop)
        if stopped is not None:
            raise RoundError(stopped.words(loop))
        asked = policy_of(read_policy(store, loop), place_of, recipe, seed=seed, budget=budget)
        place = Place.of(place_of)
        request = RoundRequest(
            loop=loop,
            recipe=asked.recipe,
            seed=asked.seed,
            budget=asked.budget,
            resume=resume,
            key=key or f"submit {secrets.token_hex(8)}",
            why="submitted by a person",
        )
        client = place.connect()
        started = KfpStarter(client, store, place).start(request)
        if as_json and not wait:
            print_json(started.model_dump(mode="json"))
            return
        shown = errors if as_json else console
        shown.print(
            f"run {started.run}{'' if started.new else ' (was started before)'}", highlight=False, soft_wrap=True
        )
        if started.url is not None:
            shown.print(started.url, highlight=False, soft_wrap=True)
        if wait:
            _wait(settings, place, loop, started.run, as_json)


def _wait(settings: Settings, place: Place, loop: str, run: str, as_json: bool) -> None:
    from ratchet.platform.runs import round_of, wait
    from ratchet.store import open_store

    state = wait(place.connect(), run, lambda said: errors.print(f"[dim]{said}[/dim]", highlight=False))
    end = round_of(open_store(settings.root), loop, run)
    if as_json:
        print_json({"run": run, "state": state, "end": end.model_dump(mode="json") if end is not None else None})
    if end is None:
        raise RoundError(
            f"run {run} ended as {state} and no round of loop {loop} ended by it; `ratchet logs {run}` says why."
        )
    if end.state == "FAILED":
        raise RoundError(f"the round failed at {end.reason}; `ratchet logs {run}` has more.")
    if not as_json:
        console.print(f"[bold]{end.state}[/bold] {end.reason}", highlight=False)


def runs(
    loop: LoopOption = "default",
    most: Annotated[int, typer.Option("--most", min=1, help="Newest runs to show.")] = 20,
    profile: PlaceOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """A loop's runs at Kubeflow Pipelines: who started them, how they stand, and what became of their rounds."""
    from ratchet.platform import runs as platform_runs
    from ratchet.platform.places import Place
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        place = Place.of(profile_of(settings, profile))
        found = platform_runs.list_runs(place.connect(), open_store(settings.root), place, loop, most)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    table = Table(whole("run"), "state", "by", "started", "round", "ended", "why", box=None, pad_edge=False)
    for one in found:
        started = one.created[:16].replace("T", " ") if one.created else ""
        table.add_row(one.run, one.state, one.by, started, str(one.round or ""), one.ended or "", one.why or "")
    console.print(table if found else f"no run of loop {loop} yet; `ratchet submit --loop {loop}` starts one")


def logs(
    run: RunArgument,
    stage: Annotated[str | None, typer.Option("--stage", help="One stage; default: all that began.")] = None,
    tail: Annotated[int, typer.Option("--tail", min=1, help="Last lines of each pod.")] = 200,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Then also what the pods say from now on, until the run has ended.")
    ] = False,
    profile: PlaceOption = None,
    embedded: EmbeddedOption = None,
) -> None:
    """What a run's tasks have said; where their pods are gone, what the store has kept of them."""
    from ratchet.platform import following
    from ratchet.platform import logs as platform_logs
    from ratchet.platform.places import Place
    from ratchet.store import open_store

    platform_logs.check_stage(stage)
    with workplace(embedded, known=True) as settings:
        place = Place.of(profile_of(settings, profile))
        if follow:
            said = following.follow(place.connect(), place.namespace, run, stage, tail)
            print_lines(f"{one.stage} {one.pod}: {one.text}" for one in said)
            return
        store = open_store(settings.root)
        for one in platform_logs.logs(place.connect(), store, place.namespace, run, stage, tail):
            head = f"[bold]{one.stage}[/bold] {one.pod or ''} {one.state or ''}"
            console.print(head, highlight=False, soft_wrap=True)
            print_lines((one.text or "").splitlines() if one.text is not None else [f"({one.why})"])


def stop(
    run: Annotated[str | None, typer.Argument(help="Id of a run; or give --loop.")] = None,
    loop: Annotated[str | None, typer.Option("--loop", "-l", help="All runs of this loop.")] = None,
    why: WhyOption = "asked for",
    profile: PlaceOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a run, or all of a loop: its pods, its round (as FAILED), and its hold on the loop."""
    from ratchet.platform import runs as platform_runs
    from ratchet.platform.places import Place

    if (run is None) == (loop is None):
        raise typer.BadParameter("give the id of a run, or --loop NAME", param_hint="RUN")
    with workplace(embedded, known=True) as settings:
        place = Place.of(profile_of(settings, profile))
        client = place.connect()
        ended = (
            [platform_runs.stop_run(client, settings, run or "", why)]
            if loop is None
            else platform_runs.stop_loop(client, settings, place, loop, why)
        )
    if as_json:
        print_json([one.model_dump(mode="json") for one in ended])
        return
    if not ended:
        console.print(f"nothing of loop {loop} runs", highlight=False)
    for one in ended:
        said = "stopped" if one.terminated else "had ended"
        console.print(
            f"run {one.run} {said}; its round: {one.ended or 'none was open'}", highlight=False, soft_wrap=True
        )
    if loop is not None:
        print_lines(
            [
                f"the loop goes on: `ratchet loop pause --loop {loop}` keeps every other round from starting, "
                f"`ratchet schedule pause --loop {loop}` switches a schedule off"
            ]
        )
