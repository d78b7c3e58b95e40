"""Commands on a loop: demo, init, run, resume, cancel, rollback, status, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ratchet.cli.output import (
    EmbeddedOption,
    JsonOption,
    LoopOption,
    ProfileOption,
    console,
    errors,
    print_json,
    user_name,
    workplace,
)
from ratchet.errors import RatchetError

RecipeOption = Annotated[str, typer.Option("--recipe", "-r", help="A shipped name, a YAML file, or YAML text.")]
RoundsOption = Annotated[int, typer.Option("--rounds", "-n", min=1, help="Rounds to run, one after the other.")]
FolderOption = Annotated[Path, typer.Option("--folder", help="Where logs and progress of local rounds go.")]


def register(app: typer.Typer) -> None:
    for function, example in (
        (demo, "ratchet demo --out demo"),
        (run, "ratchet run --loop mine --recipe rft --rounds 3"),
        (resume, "ratchet resume --loop mine"),
        (cancel, "ratchet cancel --loop mine --why 'wrong recipe'"),
        (rollback, "ratchet rollback --loop mine --to 2 --why 'complaints about captions'"),
        (status, "ratchet status --loop mine"),
        (report, "ratchet report --loop mine --out report.html"),
    ):
        app.command(rich_help_panel="Loops", epilog=f"Example: {example}")(function)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for servers, logs, report and summary.")] = Path("demo"),
    rounds: RoundsOption = 3,
    recipe: RecipeOption = "rft",
    keep: Annotated[bool, typer.Option("--keep", help="Leave SeaweedFS and MLflow running at the end.")] = False,
    controls: Annotated[bool, typer.Option(help="Run the control arms beside the rounds.")] = True,
) -> None:
    """Three rounds of a tiny vision-language model on this machine, with control arms and a report. No GPU needed."""
    from ratchet.tinyworld.demo import DemoOptions, run_demo

    run_demo(DemoOptions(out=out, rounds=rounds, recipe=recipe, keep=keep, controls=controls), console)


def run(
    loop: LoopOption = "default",
    recipe: RecipeOption = "rft",
    rounds: RoundsOption = 1,
    seed: Annotated[str, typer.Option(help="Start from this version instead of the champion.")] = "champion",
    profile: ProfileOption = None,
    folder: FolderOption = Path("ratchet-runs"),
    embedded: EmbeddedOption = None,
) -> None:
    """Run rounds on this machine: the compiled pipeline under kfp.local."""
    _run(loop, recipe, rounds, seed, profile, folder, embedded, resume=False)


def resume(
    loop: LoopOption = "default",
    recipe: Annotated[str | None, typer.Option("--recipe", "-r", help="Default: the recipe of the last round.")] = None,
    profile: ProfileOption = None,
    folder: FolderOption = Path("ratchet-runs"),
    embedded: EmbeddedOption = None,
) -> None:
    """Go on with the loop's last round, if it was killed or FAILED; finished stages are not done again."""
    _run(loop, recipe, 1, "champion", profile, folder, embedded, resume=True)


def _run(
    loop: str,
    recipe: str | None,
    count: int,
    seed: str,
    profile: str | None,
    folder: Path,
    embedded: Path | None,
    *,
    resume: bool,
) -> None:
    from ratchet.live import Live
    from ratchet.local_run import LocalRun, run_rounds
    from ratchet.loop import check_ready, recipe_of_last

    with workplace(embedded, known=resume) as settings:
        text = recipe if recipe is not None else recipe_of_last(settings, loop)
        profile = profile or settings.profile
        check_ready(settings, loop, text, profile)
        place = LocalRun(loop, text, folder / loop, settings.environment(), profile, seed)
        place.progress.unlink(missing_ok=True)
        with Live(console, {"round": place.progress}) as live:
            run_rounds(
                place,
                count,
                resume=resume,
                look=live.look,
                said=lambda end: live.ended("round", f"[bold]{end.state}[/bold] {end.reason}"),
            )
        _print_status(settings, loop)


def cancel(
    loop: LoopOption = "default",
    why: Annotated[str, typer.Option(help="Reason, kept with the round.")] = "asked for",
    embedded: EmbeddedOption = None,
) -> None:
    """End the loop's running round as FAILED; whatever its run still writes is refused."""
    from ratchet.loop import cancel as cancel_round

    with workplace(embedded, known=True) as settings:
        end = cancel_round(settings, loop, why)
    console.print(f"{end.state}: {end.reason}", highlight=False)
    console.print(f"`ratchet loop pause --loop {loop}` keeps every other round from starting", highlight=False)


def rollback(
    loop: LoopOption = "default",
    to: Annotated[str | None, typer.Option(help="Version; default: the champion before this one.")] = None,
    why: Annotated[str, typer.Option(help="Reason, kept in the promotion log.")] = "asked for",
    around_gate: Annotated[
        bool,
        typer.Option(
            "--around-gate", help="Also to a version that never was champion, which the gate did not let pass."
        ),
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who asks; default: you.")] = None,
    embedded: EmbeddedOption = None,
) -> None:
    """Make an older version champion again: a promotion like any other, in the same log."""
    from ratchet.registry import open_registry
    from ratchet.registry.promotion import rollback as roll
    from ratchet.report.writing import rewrite_loop_page
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        registry = open_registry(settings, store)
        by = by or user_name("--by")
        move = roll(registry, store, loop, by=by, reason=why, to_version=to, around_gate=around_gate)
        console.print(
            f"champion of loop {loop}: version {move.intent.target} (was {move.intent.origin})", highlight=False
        )
        try:
            rewrite_loop_page(registry, store, loop, str(move.intent.target))
        except (RatchetError, OSError, ValueError, KeyError) as error:
            said = f"the loop's page was not written again: {type(error).__name__}: {error}"
            console.print(said, style="yellow", highlight=False, markup=False)


def status(
    loop: Annotated[str | None, typer.Option("--loop", "-l", help="Name of the loop; default: all.")] = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Champion, rounds, decisions, cost, and who works on the loop now."""
    from ratchet.status import all_loops, loop_status

    with workplace(embedded, known=True) as settings:
        names = all_loops(settings)
        found = [loop_status(settings, name) for name in ([loop] if loop else names)]
    if loop and loop not in names and found[0]["champion"] is None:
        raise typer.BadParameter(
            f"there is no loop {loop}; there are: {', '.join(names) or 'none'}", param_hint="--loop"
        )
    if as_json:
        print_json(found[0] if loop else found)
        return
    if not found:
        console.print("no loop here yet; `ratchet init --loop NAME --seed MODEL` makes one")
    for one in found:
        _show_status(one)


def _print_status(settings: Any, loop: str) -> None:
    from ratchet.status import loop_status

    _show_status(loop_status(settings, loop))


def _show_status(found: dict[str, Any]) -> None:
    champion = found["champion"]
    console.print(
        f"[bold]{found['loop']}[/bold]  champion: {'version ' + champion['version'] if champion else 'none'}",
        highlight=False,
    )
    console.print(_rounds_table(found["rounds"]))
    _print_watched(found["rounds"])
    last = found["rounds"][-1] if found["rounds"] else None
    if last and last["autonomy"]:
        console.print(
            f"autonomy of round {last['round']}: {last['autonomy']['sentence']}", highlight=False, markup=False
        )
    for words in (found["stopped"], found["refused"]):
        if words:
            console.print(words["words"], style="yellow", highlight=False, markup=False)
    if found["lease"] and found["lease"]["live"]:
        console.print(
            f"held by run {found['lease']['holder']} until {found['lease']['until']:%H:%M:%S} UTC unless renewed",
            highlight=False,
        )


def _rounds_table(rounds: list[dict[str, Any]]) -> Table:
    table = Table(
        "round", "state", "seed", "candidate", "delta (95%)", "level", "kept", "time", "why", box=None, pad_edge=False
    )
    for one in rounds:
        ci = one["delta_ci"]
        delta = f"{100 * one['delta']:+.1f} ({100 * ci[0]:+.1f} to {100 * ci[1]:+.1f})" if ci else ""
        time = f"{one['seconds']:.0f} s" if one["seconds"] is not None else "stopped" if one["stopped"] else "running"
        columns = (
            one["round"],
            "INTERRUPTED" if one["stopped"] else one["state"],
            one["seed_version"],
            one["candidate_version"],
            delta,
            one["autonomy"]["level"] if one["autonomy"] else None,
            one["kept"],
            time,
            one["reason"],
        )
        table.add_row(*("" if c is None else str(c) for c in columns))
    return table


def _print_watched(rounds: list[dict[str, Any]]) -> None:
    """What audits and alarms said of the rounds."""
    for one in rounds:
        if one["audit"]:
            console.print(f"round {one['round']}, audit: {one['audit']}", highlight=False, markup=False)
        for alarm in one["alarms"]:
            words = (
                f"round {one['round']}, alarm {alarm['name']} ({alarm['action']}): {alarm['words']}. {alarm['next']}"
            )
            console.print(words, style="yellow", highlight=False, markup=False)


def report(
    loop: LoopOption = "default",
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the loop's report, one self-contained HTML file, and print its tables."""
    from ratchet.registry import open_registry
    from ratchet.report.collect import collect
    from ratchet.report.summary import summary
    from ratchet.report.terminal import print_loop
    from ratchet.report.writing import retell_rounds, write_loop_report
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        registry = open_registry(settings, store)
        view = collect(store, loop, registry=registry)
        write_loop_report(store, view, out)
        try:
            retell_rounds(registry, store, view)
        except (RatchetError, OSError) as error:
            said = f"the rounds' pages do not say what became of them since: {type(error).__name__}: {error}"
            errors.print(said, style="yellow", highlight=False, markup=False)
    if as_json:
        print_json(summary(view))
        return
    print_loop(view, console)
    console.print(str(out), highlight=False)
