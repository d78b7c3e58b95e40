"""`ratchet card` and `ratchet compare`: what there is to know of a version, and of two."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.output import (
    EmbeddedOption,
    JsonOption,
    LoopOption,
    console,
    errors,
    print_json,
    print_lines,
    print_tables,
    workplace,
)
from ratchet.cli.weakness import HtmlOption

if TYPE_CHECKING:
    from ratchet.versions import Comparison


def register(app: typer.Typer) -> None:
    app.command(
        "compare", rich_help_panel="People", epilog="Example: ratchet compare mine/1 mine@champion --html out.html"
    )(compare)
    app.command("card", rich_help_panel="People", epilog="Example: ratchet card --loop mine --version 3")(card)


class On(StrEnum):
    auto = "auto"
    stored = "stored"
    validation = "validation"
    holdout = "holdout"
    report = "report"


def compare(
    a: Annotated[str, typer.Argument(help="models:/name@champion, name/3, a folder; with --loop also 3 or champion.")],
    b: Annotated[str, typer.Argument(help="The same; differences are B minus A.")],
    loop: Annotated[
        str | None, typer.Option("--loop", "-l", help="Whose prompts; default: that of the versions.")
    ] = None,
    on: Annotated[
        On, typer.Option(help="auto: what rounds stored on the same items, else validation; report is refused.")
    ] = On.auto,
    spend_look: Annotated[
        bool, typer.Option("--spend-look", help="Let --on holdout count as a look: the gate's tests become stricter.")
    ] = False,
    html: HtmlOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Two versions on the same items: every figure paired, and the items that flipped."""
    from ratchet.versions import Wanted
    from ratchet.versions import compare as compare_versions

    with workplace(embedded, known=True) as settings, errors.status("looking for stored outcomes") as shown:
        found = compare_versions(settings, Wanted(a, b, loop, on.value, spend_look), shown.update)
    if html is not None:
        from ratchet.versions.page import render

        html.write_text(render(found), encoding="utf-8")
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    _print(found)
    if html is not None:
        console.print(str(html), highlight=False, markup=False)


def _print(found: Comparison) -> None:
    from ratchet.versions.showing import flips_table, headline, tables

    print_lines([headline(found), f"Compared {found.where}.", *found.notes, ""])
    print_tables([*tables(found), *flips_table(found)])


def card(
    loop: LoopOption = "default",
    version: Annotated[str | None, typer.Option("--version", help="Default: the champion.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write it to this file, such as README.md.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Also write it again beside the model and into the registry.")
    ] = False,
    embedded: EmbeddedOption = None,
) -> None:
    """Print a version's model card, in the Hugging Face hub's format, as store and registry tell it now."""
    from ratchet.cards import card_of, keep_card

    with workplace(embedded, known=True) as settings:
        text = card_of(settings, loop, version)
        kept = keep_card(settings, loop, version) if keep else None
    if out is not None:
        out.write_text(text, encoding="utf-8")
    else:
        typer.echo(text, nl=False)
    if kept is not None:
        console.print(kept, highlight=False, markup=False, soft_wrap=True)
