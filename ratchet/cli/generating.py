"""`ratchet generate`: open a round with a recipe and collect its data, or go on with an open round."""

from __future__ import annotations

from typing import Annotated

import typer

from ratchet.cli.output import (
    EmbeddedOption,
    JobOption,
    JsonOption,
    LoopOption,
    errors,
    print_json,
    print_lines,
    workplace,
)

EPILOG = "Example: ratchet generate --loop mine --recipe stic --show 3"


def generate(
    loop: LoopOption = "default",
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", "-r", help="Open a round with this recipe first; default: the loop's open round."),
    ] = None,
    shard: Annotated[
        int | None, typer.Option(min=0, help="Only this shard of the prompts; default: all, and their merge.")
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="Print so many of the rows that were made.")] = 0,
    job: JobOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """The seed model makes data of the pool's prompts, as the recipe's engine, strategies and negatives say."""
    from ratchet.generate.showing import lines, rows_in_words
    from ratchet.live import watching
    from ratchet.loop import collect
    from ratchet.store import open_store

    with workplace(embedded) as settings:
        with watching(errors):
            manifest = collect(settings, loop, recipe, shard, job)
        shown = rows_in_words(open_store(settings.root), manifest, show) if show else []
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    print_lines([*lines(manifest), *shown])
