"""`ratchet evaluate verifiers`: which of two answers does each verifier of a recipe prefer?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet.cli.output import EmbeddedOption, JsonOption, console, errors, print_json

if TYPE_CHECKING:
    from rich.table import Table

EPILOG = "Example: ratchet evaluate verifiers --from vl-rewardbench-files --recipe pairwise-judge"
HEAD = ("verifier", "accuracy", "macro", "ties", "pairs", "unscored")


def register(evaluating: typer.Typer) -> None:
    """Add the command."""
    evaluating.command("verifiers", epilog=EPILOG)(verifiers)


def verifiers(
    source: Annotated[str, typer.Option("--from", help="Folder or s3:// address of VL-RewardBench's own files.")],
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="Whose verifiers and judges.")],
    seed: Annotated[
        str | None, typer.Option(help="The model that stands for a round's seed, where a judge is that.")
    ] = None,
    part: Annotated[list[str] | None, typer.Option("--part", help="Only this group; may be given again.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=2, help="About so many items, two a pair, the same each time.")
    ] = None,
    out: Annotated[
        str, typer.Option(help="Folder that keeps pairs and replies where RATCHET_ROOT is not set.")
    ] = "evaluations",
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a recipe's verifiers on VL-RewardBench: how often each prefers the better of two answers."""
    from pathlib import Path

    from ratchet.cli.evaluating import place
    from ratchet.evaluate.preferences import SUITE, PreferenceOptions, measure
    from ratchet.recipe import SuiteConfig, load

    chosen = SuiteConfig(name=SUITE, source=source, parts=tuple(part or ()), limit=limit)
    options = PreferenceOptions(load(recipe).verify, chosen, seed)
    with place(embedded, Path(out)) as (store, registry):
        found = measure(store, options, registry, _watch)
    if as_json:
        print_json(found)
    else:
        console.print(_table(found["verifiers"]))


def _table(found: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in HEAD:
        table.add_column(name)
    for verifier, figures in found.items():
        table.add_row(verifier, *(_cell(figures[name]) for name in HEAD[1:]))
    return table


def _cell(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _watch(done: int, total: int, unit: str, note: str = "") -> None:
    errors.print(f"[dim]{done + 1} of {total} {unit}: {note} ...[/dim]", highlight=False)
