"""`ratchet gate simulate`, and a person's answer to a pending promotion: approve, reject."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from ratchet.cli.output import EmbeddedOption, JsonOption, LoopOption, console, errors, print_json, user_name, workplace

if TYPE_CHECKING:
    from ratchet.registry.simulation.studies import Result

gate = typer.Typer(no_args_is_help=True, help="The gate: how often it errs, and how soon it finds a gain.")


RoundOption = Annotated[int | None, typer.Option("--round", "-r", help="Default: the one round that waits.")]
ByOption = Annotated[str | None, typer.Option(help="Who answers; default: you.")]
NoteOption = Annotated[str, typer.Option(help="Why; kept with the answer, in the promotion log and in the registry.")]


def register(app: typer.Typer) -> None:
    for function, example in (
        (approve, "ratchet approve --loop mine --note 'looked at twenty flips'"),
        (reject, "ratchet reject --loop mine --round 7 --note 'worse at reading clocks'"),
    ):
        app.command(rich_help_panel="Loops", epilog=f"Example: {example}")(function)


def approve(
    loop: LoopOption = "default",
    number: RoundOption = None,
    by: ByOption = None,
    note: NoteOption = "",
    embedded: EmbeddedOption = None,
) -> None:
    """Promote the candidate of a round that waits for a person (promote.decision: human)."""
    _answer("approve", loop, number, by, note, embedded)


def reject(
    loop: LoopOption = "default",
    number: RoundOption = None,
    by: ByOption = None,
    note: NoteOption = "",
    embedded: EmbeddedOption = None,
) -> None:
    """Refuse the candidate of a round that waits for a person; the champion stays."""
    _answer("reject", loop, number, by, note, embedded)


def _answer(
    verdict: Literal["approve", "reject"],
    loop: str,
    number: int | None,
    by: str | None,
    note: str,
    embedded: Path | None,
) -> None:
    from ratchet.finish import write_papers
    from ratchet.registry import open_registry
    from ratchet.registry.approval import Answer, answer
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        given = Answer(verdict=verdict, by=by or user_name("--by"), note=note)
        number, end = answer(open_registry(settings, store), store, loop, number, given)
        write_papers(settings, loop, number, end)
    console.print(f"{end.state}: round {number} of loop {loop}, {end.reason}", highlight=False, markup=False)


@gate.command(epilog="Example: ratchet gate simulate --loops 10000 --workers 2 --out build/gate.json")
def simulate(
    loops: Annotated[
        int, typer.Option(min=20, help="Simulated loops of the two main studies; the others play fewer.")
    ] = 200,
    rounds: Annotated[int, typer.Option(min=10, help="Rounds of a loop.")] = 50,
    items: Annotated[int, typer.Option(min=200, help="Held-out items a round.")] = 300,
    seed: Annotated[int, typer.Option(help="Random seed; the same one gives the same numbers.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    only: Annotated[str | None, typer.Option(help="Play only the studies whose name begins so.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file that every finished study is added to.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Play whole loops through the shipped gate: how often it ever promotes what is not better, and how soon it finds a gain."""
    from ratchet import canonical
    from ratchet.registry.simulation import simulate as play
    from ratchet.registry.simulation.studies import studies

    chosen = [s for s in studies(loops, rounds, items) if only is None or s.name.startswith(only)]
    if not chosen:
        raise typer.BadParameter(f"no study's name begins with {only!r}", param_hint="--only")
    found: list[Result] = []
    for study in chosen:
        errors.print(f"[dim]{study.name}: {study.loops:,} loops of {study.rounds} rounds[/dim]", highlight=False)
        found.append(play(study, seed, workers))
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(canonical.pretty([one.model_dump(mode="json") for one in found]))
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    else:
        _print([one for one in found if one.study.scenario != "gain"], [r for r in found if r.study.scenario == "gain"])


def _print(errors_: list[Result], power: list[Result]) -> None:
    if errors_:
        table = Table("study", "loops x rounds", "ever wrong", "95% upper", "promotions", "true change", box=None)
        for one in errors_:
            table.add_row(
                one.study.name,
                f"{one.study.loops:,} x {one.study.rounds}",
                f"{100 * one.wrong.share:.2f}%",
                f"{100 * one.wrong.upper:.2f}%",
                f"{one.promotions:.2f}",
                f"{100 * one.change:+.1f} points",
            )
        console.print(table)
    if power:
        table = Table("study", "loops", "promoted by round 1", "by 5", "by 10", box=None)
        for one in power:
            table.add_row(
                one.study.name, f"{one.study.loops:,}", *(f"{100 * share:.0f}%" for share in one.within.values())
            )
        console.print(table)
