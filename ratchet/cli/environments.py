"""`ratchet environment ...`: the environments that carry answers out, and questions for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratchet.cli.output import JsonOption, console, print_json

app = typer.Typer(no_args_is_help=True, help="Environments that carry answers out: list them, make questions for them.")


@app.command("list", epilog="Example: ratchet environment list")
def list_(as_json: JsonOption = False) -> None:
    """The environments, and what an answer is in each."""
    from ratchet.verify.environments.making import ABOUT

    if as_json:
        print_json(ABOUT)
        return
    for name, about in ABOUT.items():
        console.print(f"{name:<12} {about}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: ratchet environment draw transforms --out questions -n 500 --from photos/")
def draw(
    name: Annotated[str, typer.Argument(help="navigate, draw or transforms; see `ratchet environment list`.")],
    out: Annotated[Path, typer.Option(help="Folder for pictures and questions.jsonl: what `ratchet import` reads.")],
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Questions to make.")] = 90,
    album: Annotated[
        Path | None,
        typer.Option("--from", help="Folder of pictures, without labels; default: the tiny world draws them."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    language: Annotated[str, typer.Option(help="draw: what programs are written in: words, svg or python.")] = "words",
    kind: Annotated[list[str] | None, typer.Option(help="transforms: only these kinds; default: all.")] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="transforms: show only what was made, not the original.")
    ] = False,
) -> None:
    """Make questions whose answers an environment checks, of mazes, of the tiny world, or of your own pictures."""
    from ratchet.verify.environments.making import KINDS, Wanted, make

    made = make(out, Wanted(name, number, seed, album, language, tuple(kind) if kind else KINDS, alone))
    for file, why in made.skipped.items():
        console.print(f"left out {file}: {why}", highlight=False, markup=False, soft_wrap=True)
    told = f"{made.rows} questions in {out}; `ratchet import {out}` makes a prompt set of them"
    console.print(told, highlight=False, markup=False, soft_wrap=True)
