"""`ratchet preflight`: what a round needs, looked at before it costs anything."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from ratchet.cli.output import EmbeddedOption, JsonOption, ProfileOption, console, print_json, workplace
from ratchet.errors import PreflightFailed

if TYPE_CHECKING:
    from ratchet.preflight import Answer
    from ratchet.preflight.checking import Check

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel="Loops", epilog="Example: ratchet preflight --loop mine --recipe rft --profile gpu.yaml"
    )(preflight)


def preflight(
    loop: Annotated[str | None, typer.Option("--loop", "-l", help="Also look at this loop's champion.")] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", "-r", help="Also look at what this recipe needs.")] = None,
    profile: ProfileOption = None,
    seed: Annotated[str, typer.Option(help="The version to start from, instead of the champion.")] = "champion",
    in_cluster: Annotated[
        bool,
        typer.Option("--in-cluster", help="This is a pod of the round: look at its GPU, disk, memory and variables."),
    ] = False,
    stage: Annotated[str, typer.Option(help="In a pod: of which stage it is.")] = "begin",
    only: Annotated[list[str] | None, typer.Option("--only", help="Run this check; may be given again.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="Leave this check out; may be given again.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Limit for each check; default: its own.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Only list the checks.")] = False,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at everything that a round needs, and say how to mend what is missing. Exit code 12 if a check fails.

    Store, registry, Kubeflow Pipelines, rights, secrets, GPUs, queues, images, disk, model servers, certificates, clocks.
    """
    from ratchet.preflight import Asked, Context, run_checks
    from ratchet.preflight.catalogue import chosen
    from ratchet.stage import STAGES

    checks = chosen(only or (), skip or ())
    if listing:
        _list(checks, as_json)
        return
    if stage not in STAGES:
        raise typer.BadParameter(f"{stage!r} is no stage; there are: {', '.join(STAGES)}", param_hint="--stage")
    with workplace(embedded, known=True) if embedded else nullcontext():
        asked = Asked(loop, recipe, profile, seed, stage, in_cluster)
        answers = run_checks(checks, Context.gathered(asked), seconds)
    failed = [one.check for one in answers if one.result == "fail"]
    if as_json:
        print_json({"ok": not failed, "failed": failed, "checks": [one.model_dump(mode="json") for one in answers]})
    else:
        _show(answers)
    if failed:
        raise typer.Exit(PreflightFailed.exit_code)


def _list(checks: list[Check], as_json: bool) -> None:
    from ratchet.preflight.mending import MENDS

    if as_json:
        print_json(
            [{"check": o.name, "what": o.what, "begin": o.begins, "mend": MENDS.get(o.name, "")} for o in checks]
        )
        return
    table = Table("check", "what it looks at", "begin asks it", "how it is mended", box=None, pad_edge=False)
    for one in checks:
        table.add_row(one.name, one.what, "yes" if one.begins else "", Text(MENDS.get(one.name, "")))
    console.print(table)


def _show(answers: list[Answer]) -> None:
    table = Table("check", "result", "what was seen", "how to fix it", box=None, pad_edge=False)
    for one in answers:
        # Words of servers are no markup.
        table.add_row(one.check, Text(one.result, style=_STYLES[one.result]), Text(one.seen), Text(one.fix))
    console.print(table)
    counts = {result: sum(one.result == result for one in answers) for result in _STYLES}
    console.print(", ".join(f"{number} {result}" for result, number in counts.items()), highlight=False)
