"""`ratchet tinyworld ...`: the embedded world and its seed model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratchet.cli.output import JsonOption, console, print_json

app = typer.Typer(no_args_is_help=True, help="The embedded world: draw it, train its seed model again.")


@app.command("train-seed", epilog="Example: ratchet tinyworld train-seed --out seed")
def train_seed(
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    as_json: JsonOption = False,
) -> None:
    """Train the seed model that ships with ratchet again, from nothing: the same weights on the same machine type."""
    from ratchet.tinyworld.seed import train_seed as train

    found = train(out)
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        console.print(f"{name:<24} {value}", highlight=False)


@app.command(epilog="Example: ratchet tinyworld draw --out samples -n 9")
def draw(
    out: Annotated[Path, typer.Option(help="Folder for pictures and questions.jsonl: what `ratchet import` reads.")],
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Items to draw.")] = 90,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Draw pictures and questions into a folder, as a small data set of your own."""
    from ratchet.tinyworld.drawing import draw_folder

    draw_folder(out, number, seed)
    console.print(f"{number} items in {out}; `ratchet import {out}` makes a prompt set of them", highlight=False)
