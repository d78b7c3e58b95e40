"""`ratchet recipe ...`: list, check and show recipes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.padding import Padding

from ratchet.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    from ratchet.recipe import Recipe

app = typer.Typer(no_args_is_help=True, help="List, check and show recipes.")
RecipeArgument = Annotated[str, typer.Argument(help="A shipped name, a YAML file, or YAML text.")]


@app.command("list", epilog="Example: ratchet recipe list --with negatives")
def list_(
    that: Annotated[
        str | None, typer.Option("--with", help="Only those that mention this: a strategy, a kind, a paper, a word.")
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="Also what each one does, in words.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The recipes that come with ratchet: what each collects, how it trains, and the paper that it follows."""
    from ratchet import recipe as recipes

    loaded = [one for one in (recipes.load(name) for name in recipes.names()) if that is None or _mentions(one, that)]
    if as_json:
        print_json([_listed(one) for one in loaded])
        return
    width = max((len(one.name) for one in loaded), default=0)
    for one in loaded:
        line = f"[bold]{one.name:<{width}}[/bold]  {_collects(one)}; {one.train.method}"
        console.print(line if long else f"{line}  [dim]{_paper(one.source)}[/dim]", highlight=False)
        if long:
            console.print(Padding(_words(one), (0, 0, 1, 4)), highlight=False, markup=False)
    if not loaded:
        console.print(f"no recipe mentions {that!r}; `ratchet recipe list` shows all", highlight=False, markup=False)


def _words(one: Recipe) -> str:
    """What it does, its paper, the step that only that paper has, and what was left out."""
    told = [one.description, f"Source: {one.source}." if one.source else None]
    told += [f"Step: {one.step}" if one.step else None, f"Simplified: {one.simplified}" if one.simplified else None]
    return "\n".join(words for words in told if words)


def _listed(one: Recipe) -> dict[str, Any]:
    generate = one.generate
    return {
        "name": one.name,
        "description": one.description,
        "source": one.source,
        "step": one.step,
        "simplified": one.simplified,
        "engine": generate.engine.kind,
        "strategies": [strategy.name for strategy in generate.strategy],
        "negatives": list(dict.fromkeys(negative.kind for negative in generate.negatives)),
        "guided_by": [name for name in ("weakness", "tune") if getattr(generate, name) is not None],
        "trains_by": one.train.method,
    }


def _paper(source: str | None) -> str:
    """The source's first words: the method's name."""
    return re.split(r" \(|[,;]", source or "")[0]


def _collects(one: Recipe) -> str:
    """Strategies, what guides them, and the kinds of negatives that stand against them."""
    said = _listed(one)
    told = " + ".join(said["strategies"])
    told += f" by {' and '.join(said['guided_by'])}" if said["guided_by"] else ""
    return told + (f" against {', '.join(said['negatives'])}" if said["negatives"] else "")


def _mentions(one: Recipe, word: str) -> bool:
    said = _listed(one) | {"negatives": ["negatives", *_listed(one)["negatives"]] if one.generate.negatives else []}
    return word.casefold() in " ".join(map(str, said.values())).casefold()


@app.command(epilog="Example: ratchet recipe check my-recipe.yaml --profile cluster.yaml")
def check(
    recipe: RecipeArgument,
    profile: Annotated[str | None, typer.Option(help="Profile that the recipe must fit (YAML file).")] = None,
) -> None:
    """Validate a recipe, and that a profile has what it needs."""
    from ratchet import recipe as recipes
    from ratchet.evaluate import inputs
    from ratchet.profile import Profile

    loaded = recipes.load(recipe)
    Profile.load(profile).check(loaded)
    inputs.check(loaded)
    console.print(f"{loaded.name} is valid (digest {loaded.digest[:12]})", highlight=False)


@app.command(epilog="Example: ratchet recipe show rft > mine.yaml")
def show(recipe: RecipeArgument, as_json: JsonOption = False) -> None:
    """The resolved recipe, every default spelled out."""
    from ratchet import recipe as recipes

    loaded = recipes.load(recipe)
    if as_json:
        print_json(loaded.model_dump(mode="json"))
    else:
        typer.echo(recipes.dump(loaded), nl=False)
