"""What the filter left out: the exclusion set, opened."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ratchet.cli.output import EmbeddedOption, JsonOption, LoopOption, console, print_json, workplace
from ratchet.errors import RoundError

if TYPE_CHECKING:
    from ratchet.artifacts import Manifest
    from ratchet.filter.excluded import Excluded
    from ratchet.store import Store


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Data", epilog="Example: ratchet excluded --loop mine --reason near_duplicate -n 5")(
        excluded
    )


def excluded(
    loop: LoopOption = "default",
    number: Annotated[int | None, typer.Option("--round", help="Which round; default: the last that filtered.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those dropped for this reason.")] = None,
    most: Annotated[int, typer.Option("-n", "--most", min=0, help="Rows to show; 0: all.")] = 20,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the filter dropped: reason, question and pass rate of every row that is not learned from."""
    from ratchet.filter.excluded import read_excluded
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        filtered = _filtered(store, loop, number)
        counts: dict[str, int] = filtered.results["reasons"]
        if reason is not None and reason not in counts:
            raise typer.BadParameter(
                f"round {filtered.round} dropped nothing as {reason}; its reasons are: {', '.join(counts) or 'none'}",
                param_hint="--reason",
            )
        rows = list(islice(read_excluded(store, filtered, reason), most or None))
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
        return
    _show(rows, filtered, counts)


def _filtered(store: Store, loop: str, number: int | None) -> Manifest:
    """The filter's manifest of a round, or of the last one that has one. Raises RoundError where there is none."""
    from ratchet import rounds

    wanted = [number] if number is not None else list(reversed(rounds.numbers(store, loop)))
    found = next((done["filter"] for n in wanted if "filter" in (done := rounds.manifests(store, loop, n))), None)
    if found is None:
        which = f"round {number}" if number is not None else "no round"
        raise RoundError(
            f"{which} of loop {loop} under {store.root} has {'no' if number is not None else 'a'} filter artifact; "
            f"`ratchet status --loop {loop}` lists its rounds, `ratchet filter --loop {loop}` filters the last."
        )
    return found


def _show(rows: Sequence[Excluded], filtered: Manifest, counts: dict[str, int]) -> None:
    told = ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"
    console.print(f"round {filtered.round} dropped {told}", highlight=False, markup=False)
    table = Table("reason", "pass rate", "difficulty", "skill", "question", "prompt", box=None, pad_edge=False)
    for row in rows:
        shares = ("" if share is None else f"{share:.2f}" for share in (row.pass_rate, row.difficulty))
        table.add_row(row.reason, *shares, row.skill, row.question, row.prompt_id[:12])
    console.print(table, markup=False)
    if len(rows) < sum(counts.values()):
        console.print(f"{len(rows)} of {sum(counts.values())}; -n 0 shows all", highlight=False)
