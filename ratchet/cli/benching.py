"""`ratchet bench ...`: methods against each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.output import EmbeddedOption, JsonOption, console, errors, print_json, workplace

if TYPE_CHECKING:
    from ratchet.artifacts import ModelRef
    from ratchet.comparing.bench import BenchOptions
    from ratchet.comparing.ground import Ground
    from ratchet.registry.base import Registry
    from ratchet.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Compare methods at equal cost.")
QUICK = {"visits": 1600, "seconds": 20.0, "prompts": 450}
QUICK_POOL, QUICK_ITEMS = 3600, 900
POOL, ITEMS = 21_600, 4050


@app.callback()
def _root() -> None:
    """Keeps `methods` a command of its own."""


@app.command(epilog="Example: ratchet bench methods --quick --recipes rft,stic,grpo")
def methods(
    out: Annotated[
        Path, typer.Option(help="Folder for results and models; what is done there is not done again.")
    ] = Path("bench-methods"),
    recipes: Annotated[str | None, typer.Option(help="Recipes, with commas; default: some of each family.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small: 1,600 visits and 20 seconds an arm.")] = False,
    visits: Annotated[
        int | None, typer.Option(min=1, help="Training visits of each arm, where they are equal.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Seconds of each arm, where they are equal: CPU, or wall on a GPU.")
    ] = None,
    items: Annotated[int | None, typer.Option(min=1, help="Items that all models are measured on.")] = None,
    salt: Annotated[str, typer.Option(help="Makes all draws: another salt, other prompts and items.")] = "1",
    seed: Annotated[str, typer.Option(help="As in `ratchet init`; with --loop the loop's champion.")] = "tinyworld",
    loop: Annotated[str | None, typer.Option("--loop", "-l", help="Compare from this loop's champion.")] = None,
    prompts: Annotated[
        str | None,
        typer.Option(help="An imported prompt set; half of its validation is measured. Default: the tiny world."),
    ] = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train recipes from the same seed at equal visits and at equal seconds; print both. No gate's holdout is looked at."""
    from ratchet.comparing.bench import compare
    from ratchet.comparing.table import tables

    options = _options(recipes, quick, visits, seconds)
    if prompts is None and loop is None and embedded is None:
        ground = _own_ground(out, seed, QUICK_POOL if quick else POOL, items or (QUICK_ITEMS if quick else ITEMS), salt)
        result = compare(ground, options, out, _said)
    else:
        with workplace(embedded, known=True) as settings:
            result = compare(_their_ground(settings, loop, seed, prompts, items or ITEMS, salt), options, out, _said)
    if as_json:
        print_json(result)
    else:
        console.print(tables(result), highlight=False, markup=False, soft_wrap=True)


def _said(words: str) -> None:
    errors.print(words, highlight=False, markup=False)


def _options(given: str | None, quick: bool, visits: int | None, seconds: float | None) -> BenchOptions:
    from ratchet.comparing.bench import RECIPES, BenchOptions
    from ratchet.recipe import load

    names = RECIPES if given is None else tuple(name.strip() for name in given.split(",") if name.strip())
    if not names:
        raise typer.BadParameter(
            f"--recipes {given!r} names none; name some with commas, such as rft,stic, or leave it out for some of each family"
        )
    for name in names:
        load(name)
    changed = {"visits": visits, "seconds": seconds}
    sizes = {**(QUICK if quick else {}), **{key: value for key, value in changed.items() if value is not None}}
    return BenchOptions.model_validate({"recipes": names, **sizes})


def _own_ground(out: Path, seed: str, pool: int, items: int, salt: str) -> Ground:
    from ratchet import models, sources
    from ratchet.comparing.ground import tinyworld_ground
    from ratchet.store import FolderStore

    out.mkdir(parents=True, exist_ok=True)
    store = FolderStore(str((out / "store").resolve()))
    folder, _ = sources.fetch_model(seed, store)
    return tinyworld_ground(store, models.upload(store, folder, "bench"), pool, items, salt)


def _their_ground(
    settings: Settings, loop: str | None, seed: str, prompts: str | None, items: int, salt: str
) -> Ground:
    """The ground in a loop's own store: artifacts are control arms there, never rounds."""
    from ratchet import models, sources
    from ratchet.comparing.ground import imported_ground, tinyworld_ground
    from ratchet.registry import open_registry
    from ratchet.store import open_store

    store = open_store(settings.root)
    registry = open_registry(settings, store)
    name = loop or "bench"
    model = (
        _champion(registry, loop) if loop else models.upload(store, sources.fetch_model(seed, store, registry)[0], name)
    )
    if prompts is None:
        return tinyworld_ground(store, model, POOL, items, salt, name)
    return imported_ground(store, model, prompts, items, salt, name)


def _champion(registry: Registry, loop: str) -> ModelRef:
    from ratchet.begin.stage import as_ref

    champion = registry.champion(loop)
    if champion is None:
        raise typer.BadParameter(
            f"loop {loop} has no champion; `ratchet init --loop {loop} --seed MODEL` registers one"
        )
    return as_ref(champion)
