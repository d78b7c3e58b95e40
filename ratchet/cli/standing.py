"""Commands on what a loop may do: show, pause and resume it, estimate a round, close what a death left open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet.cli.output import (
    EmbeddedOption,
    JsonOption,
    LoopOption,
    ProfileOption,
    console,
    print_json,
    print_lines,
    print_tables,
    user_name,
    workplace,
)
from ratchet.cli.policies import policy

if TYPE_CHECKING:
    from ratchet.operations.estimate import Estimate, Range
    from ratchet.operations.janitor import Alive, Left

loop_app = typer.Typer(no_args_is_help=True, help="Show, pause and resume a loop; its policy and its stop rules.")


def register(app: typer.Typer) -> None:
    for function, example in (
        (show, "ratchet loop show --loop mine"),
        (pause, "ratchet loop pause --loop mine --why 'new data on Monday'"),
        (resume, "ratchet loop resume --loop mine --why 'looked at the alarm'"),
        (policy, "ratchet loop policy --loop mine --owner trigger --recipe rft --rounds-without-promotion 3"),
    ):
        loop_app.command(epilog=f"Example: {example}")(function)
    app.add_typer(loop_app, name="loop", rich_help_panel="Loops")
    app.command(rich_help_panel="Loops", epilog="Example: ratchet estimate --loop mine --recipe rft")(estimate)
    app.command(rich_help_panel="Operations", epilog="Example: ratchet janitor --apply")(janitor)


def show(loop: LoopOption = "default", embedded: EmbeddedOption = None, as_json: JsonOption = False) -> None:
    """The loop's policy, how far its stop rules are used, and whether it is stopped."""
    from ratchet.operations.standing import standing_of
    from ratchet.report.tables import Table
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        found = standing_of(open_store(settings.root), loop)
    if as_json:
        print_json(found)
        return
    print_lines([found["words"]])
    head, rows = ("rule", "now", "stops at"), [(r["rule"], r["now"], r["limit"]) for r in found["rules"]]
    if rows:
        print_tables([Table("", head, rows, 1)])


def pause(
    loop: LoopOption = "default",
    why: Annotated[str, typer.Option(help="Reason, told to every run that would begin.")] = "asked for",
    embedded: EmbeddedOption = None,
) -> None:
    """Let the loop start no round. The one that runs goes on to its end."""
    from ratchet import rounds
    from ratchet.operations.policy import Stopped, stop
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        known = rounds.numbers(store, loop)
        stopped = stop(store, loop, Stopped(why=why, rule="person", after=known[-1] if known else 0))
    print_lines([stopped.words(loop)])


def resume(
    loop: LoopOption = "default",
    why: Annotated[str, typer.Option(help="Reason, kept with the loop.")] = "asked for",
    by: Annotated[str | None, typer.Option(help="Who asks; default: you.")] = None,
    embedded: EmbeddedOption = None,
) -> None:
    """Let a stopped loop start rounds again. Its stop rules count anew from here."""
    from ratchet.operations.policy import go_on
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        stopped = go_on(open_store(settings.root), loop, by or user_name("--by"), why)
    said = f"was stopped: {stopped.why}" if stopped else "was not stopped"
    print_lines([f"loop {loop} starts rounds again; it {said}"])


def estimate(
    loop: LoopOption = "default",
    recipe: Annotated[
        str | None, typer.Option("--recipe", "-r", help="Default: the policy's, else that of the last round.")
    ] = None,
    profile: ProfileOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a round is likely to take: seconds, hours of a device and price, from the loop's past rounds like it."""
    from ratchet import recipe as recipes
    from ratchet.loop import recipe_of_last
    from ratchet.operations.estimate import estimate as estimated
    from ratchet.operations.policy import read_policy
    from ratchet.profile import Profile
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        known = read_policy(store, loop)
        text = recipe or (known.recipe if known else recipe_of_last(settings, loop))
        found = estimated(store, loop, recipes.load(text), Profile.load(profile or settings.profile))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    _print_estimate(found)


def janitor(
    loop: Annotated[str | None, typer.Option("--loop", "-l", help="Name of the loop; default: all.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Close them; without it they are only listed.")] = False,
    still: Annotated[
        float, typer.Option("--still", min=0, help="Hours without a sign of life after which a round is given up.")
    ] = 6.0,
    profile: Annotated[
        str | None,
        typer.Option("--profile", help="Ask its Kubeflow Pipelines whether a run lives; a name or YAML file."),
    ] = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close what a death left open: rounds whose run is gone, and MLflow runs of rounds that have ended.

    With --profile the Kubeflow Pipelines of that profile are asked first whether the run lives that holds a loop: one that has ended
    there is not waited for. Without, the lease alone tells.
    """
    from ratchet.operations.janitor import clean
    from ratchet.status import all_loops

    with workplace(embedded, known=True) as settings:
        names = (loop,) if loop else tuple(all_loops(settings))
        found = clean(settings, names, apply=apply, still=still, alive=_platform(profile) if profile else None)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    _print_left(found, apply)


def _platform(given: str) -> Alive:
    """What can say whether a run lives."""
    from functools import partial

    from ratchet.platform.places import Place
    from ratchet.platform.runs import is_alive
    from ratchet.profile import Profile

    return partial(is_alive, Place.of(Profile.load(given)).connect())


def _print_estimate(found: Estimate) -> None:
    from ratchet.report.tables import Table

    print_lines(found.words())
    head = ("stage", "rounds", "seconds", "devices", "hours", found.currency)
    rows = [
        (one.stage, str(one.rounds), _shown(one.seconds), str(one.devices), _shown(one.hours), _shown(one.price))
        for one in found.stages
    ]
    rows.append(("round", str(found.rounds), "", "", _shown(found.hours), _shown(found.price)))
    print_tables([Table("", head, rows, 1)])


def _shown(found: Range | None) -> str:
    if found is None:
        return "not known"
    return (
        f"{found.middle:.3g}"
        if found.low == found.high
        else f"{found.middle:.3g} ({found.low:.3g} to {found.high:.3g})"
    )


def _print_left(found: list[Left], applied: bool) -> None:
    from ratchet.report.tables import Table

    if not found:
        console.print("nothing is left open")
        return
    rows: list[tuple[Any, ...]] = [
        (one.loop, one.kind, str(one.round or ""), one.name, one.state, "closed" if one.closed else "open", one.why)
        for one in found
    ]
    print_tables([Table("", ("loop", "what", "round", "name", "as", "now", "why"), rows, 7)])
    if not applied:
        console.print("nothing was changed; --apply closes them", highlight=False)
