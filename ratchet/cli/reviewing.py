"""`ratchet review`: people label doubtful answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.output import (
    EmbeddedOption,
    JsonOption,
    LoopOption,
    console,
    print_json,
    print_tables,
    user_name,
    workplace,
)

if TYPE_CHECKING:
    from ratchet.artifacts import ImageBank
    from ratchet.review.doubts import Doubt
    from ratchet.store import Store


def register(app: typer.Typer) -> None:
    app.command("review", rich_help_panel="People", epilog="Example: ratchet review --loop mine --author ann")(review)


def review(
    loop: LoopOption = "default",
    number: Annotated[int | None, typer.Option("--round", min=1, help="Default: the last that has verdicts.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Answers in the queue.")] = 60,
    precise: Annotated[
        float, typer.Option(min=0, max=1, help="Verifiers whose audit cannot rule out less are doubted.")
    ] = 0.8,
    flips: Annotated[
        bool,
        typer.Option(
            "--flips",
            help="Show holdout items too that only the champion got right; choosing by them weakens the gate.",
        ),
    ] = False,
    author: Annotated[str | None, typer.Option(help="Who labels; default: your user name.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    listed: Annotated[bool, typer.Option("--list", help="Show the labels beside the verdicts, and end.")] = False,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Label doubtful answers on a local page. Labels are kept beside the verdicts, count in audits, and change nothing."""
    if as_json and not listed:
        raise typer.BadParameter("the page has no JSON; --json goes with --list", param_hint="--json")
    with workplace(embedded, known=True) as settings:
        from ratchet.review.doubts import queue
        from ratchet.store import open_store

        store = open_store(settings.root)
        if listed:
            _list(store, loop, as_json)
        else:
            found = queue(store, loop, number, most, precise, flips)
            _serve(store, loop, found, author or user_name("--author"), port)


def _list(store: Store, loop: str, as_json: bool) -> None:
    from ratchet.review import Labels
    from ratchet.review.telling import tables, told

    labels = Labels(store, loop)
    if as_json:
        print_json(told(labels))
        return
    found = list(tables(labels))
    if not found:
        console.print(
            f"nobody has labelled an answer of loop {loop} yet; `ratchet review --loop {loop}` shows the doubtful ones"
        )
        return
    print_tables(found)
    console.print("* differs from the verdict, which stands", highlight=False)


def _serve(store: Store, loop: str, queued: tuple[list[Doubt], list[ImageBank]], author: str, port: int) -> None:
    from ratchet.review import Labels
    from ratchet.review.server import Review, ReviewServer

    doubts, banks = queued
    if not doubts:
        console.print(f"nothing to label in loop {loop}: its verifiers judged no answer")
        return
    with ReviewServer(Review(loop, doubts, banks, Labels(store, loop), author), port) as server:
        console.print(
            f"{len(doubts)} answers to label of round {doubts[0].round}; you label as {author}",
            highlight=False,
            markup=False,
        )
        console.print(
            f"open {server.address}  (Ctrl-C ends it; every label is kept at once)", highlight=False, soft_wrap=True
        )
        server.serve_forever()
