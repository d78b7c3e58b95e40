"""`ratchet recipe ...`: list, check and show recipes."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from ratchet import recipe as recipes
from ratchet.cli.output import JsonOption, console, print_json
from ratchet.profile import Profile

app = typer.Typer(no_args_is_help=True, help="List, check and show recipes.")
RecipeArgument = Annotated[str, typer.Argument(help="A shipped name, a YAML file, or YAML text.")]


@app.command("list", epilog="Example: ratchet recipe list")
def list_(as_json: JsonOption = False) -> None:
    """The recipes that come with ratchet."""
    loaded = [recipes.load(name) for name in recipes.names()]
    if as_json:
        print_json([r.model_dump(mode="json", include={"name", "description", "source"}) for r in loaded])
        return
    table = Table("recipe", "what it does", "source", box=None, pad_edge=False)
    for one in loaded:
        table.add_row(one.name, one.description, one.source or "")
    console.print(table)


@app.command(epilog="Example: ratchet recipe check my-recipe.yaml --profile cluster.yaml")
def check(
    recipe: RecipeArgument,
    profile: Annotated[str | None, typer.Option(help="Profile that the recipe must fit (YAML file).")] = None,
) -> None:
    """Validate a recipe, and that a profile has what it needs."""
    loaded = recipes.load(recipe)
    Profile.load(profile).check(loaded)
    console.print(f"{loaded.name} is valid (digest {loaded.digest[:12]})", highlight=False)


@app.command(epilog="Example: ratchet recipe show rft > mine.yaml")
def show(recipe: RecipeArgument, as_json: JsonOption = False) -> None:
    """The resolved recipe, every default spelled out."""
    loaded = recipes.load(recipe)
    if as_json:
        print_json(loaded.model_dump(mode="json"))
    else:
        typer.echo(recipes.dump(loaded), nl=False)
