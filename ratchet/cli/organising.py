"""`ratchet verify` and `ratchet filter`: run the stage of the loop's open round, say what came of it, and show rows."""

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

VERIFY_EPILOG = "Example: ratchet verify --loop mine --disagreeing 5"
FILTER_EPILOG = "Example: ratchet filter --loop mine --show 5"

verifying = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@verifying.callback(epilog=VERIFY_EPILOG)
def verify(
    called: typer.Context,
    loop: LoopOption = "default",
    show: Annotated[int, typer.Option(min=0, help="Print so many rows, with what each verifier said.")] = 0,
    disagreeing: Annotated[
        int, typer.Option(min=0, help="Print so many rows with an answer that one verifier passed and another failed.")
    ] = 0,
    job: JobOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every completion by the recipe's verifiers; say how they agree."""
    if called.invoked_subcommand is not None:
        return
    from ratchet.live import watching
    from ratchet.loop import run_stage
    from ratchet.store import open_store
    from ratchet.verify import showing

    with workplace(embedded) as settings:
        with watching(errors):
            manifest = run_stage(settings, loop, "verify", job)
        store = open_store(settings.root)
        shown = showing.rows_in_words(store, manifest, show) if show else []
        shown += showing.disagreements_in_words(store, manifest, disagreeing) if disagreeing else []
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    print_lines([*showing.lines(manifest), *shown])


def filter_(
    loop: LoopOption = "default",
    show: Annotated[int, typer.Option(min=0, help="Print so many of the rows that were kept.")] = 0,
    job: JobOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep what the model should learn from; count every drop by reason."""
    from ratchet.filter import showing
    from ratchet.live import watching
    from ratchet.loop import run_stage
    from ratchet.store import open_store

    with workplace(embedded) as settings:
        with watching(errors):
            manifest = run_stage(settings, loop, "filter", job)
        shown = showing.rows_in_words(open_store(settings.root), manifest, show) if show else []
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    print_lines([*showing.lines(manifest), *shown])
