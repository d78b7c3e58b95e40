"""`ratchet card` and `ratchet compare`: what there is to know of a version, and of two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratchet.cli.output import EmbeddedOption, LoopOption, console, workplace


def register(app: typer.Typer) -> None:
    app.command("card", rich_help_panel="People", epilog="Example: ratchet card --loop mine --version 3")(card)


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
