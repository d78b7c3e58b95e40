"""`ratchet weakness`: what a model of a loop gets wrong on validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.output import EmbeddedOption, JsonOption, LoopOption, console, errors, print_json, workplace

if TYPE_CHECKING:
    from ratchet.weakness import Weakness

HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write it as one self-contained HTML file too.")]


def register(app: typer.Typer) -> None:
    app.command("weakness", rich_help_panel="People", epilog="Example: ratchet weakness --loop mine --html weak.html")(
        weakness
    )


def weakness(
    loop: LoopOption = "default",
    version: Annotated[
        str | None, typer.Option("--version", help="Of the loop's model; default: the champion.")
    ] = None,
    number: Annotated[int | None, typer.Option("--round", min=1, help="As this round's artifacts tell it.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Ask the model again, whatever is stored.")] = False,
    html: HtmlOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a model gets wrong on validation, by skill, difficulty, question, verifier and confusion. Never reads the holdout."""
    from ratchet.weakness.loops import Wanted, of_loop

    if measure and number is not None:
        raise typer.BadParameter("a round's report stands as it is; leave out --round, or --measure")
    with workplace(embedded, known=True) as settings, errors.status("asking the model, unless a report is stored"):
        found = of_loop(settings, Wanted(loop, version, number, measure))
    if html is not None:
        from ratchet.weakness.page import render

        html.write_text(render(found, loop), encoding="utf-8")
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    _print(found)
    if html is not None:
        console.print(str(html), highlight=False, markup=False)


def _print(found: Weakness) -> None:
    from ratchet.cli.output import print_tables
    from ratchet.weakness.showing import heading, tables

    console.print(heading(found) + "\n", highlight=False, markup=False)
    print_tables(tables(found))
