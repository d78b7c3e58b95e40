"""`ratchet compile` and `ratchet profile ...`: the pipeline as KFP takes it, and where it would run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.output import JsonOption, ProfileOption, console, errors, print_json, print_lines
from ratchet.errors import RecipeError

if TYPE_CHECKING:
    from ratchet.profile import Profile

profile = typer.Typer(no_args_is_help=True, help="List, check and show profiles: where a round runs.")
ProfileArgument = Annotated[str, typer.Argument(help="A shipped name, a YAML file, or YAML text.")]
ImageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image", help="SET=REFERENCE, in place of the profile's image; once for each of core, inference, training."
    ),
]
RecipeOption = Annotated[
    list[str] | None, typer.Option("--recipe", "-r", help="A recipe that the profile must fit; may be given again.")
]


def register(app: typer.Typer) -> None:
    app.command("compile", epilog="Example: ratchet compile -o round.yaml --profile gpu.yaml --recipe dpo")(compile_)
    app.add_typer(profile, name="profile")


def compile_(
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write, .yaml.")] = Path("round.yaml"),
    profile: ProfileOption = None,
    image: ImageOption = None,
    recipe: RecipeOption = None,
    allow_tags: Annotated[
        bool, typer.Option("--allow-tags", help="Take images without a digest, for development.")
    ] = False,
) -> None:
    """Compile the pipeline of one round for Kubeflow Pipelines, placed by a profile.

    Where it runs is compiled in; what is learned is a parameter of each run.
    """
    if out.suffix != ".yaml":
        raise typer.BadParameter(f"{out} must end in .yaml, as KFP wants it", param_hint="--out")
    from ratchet import recipe as recipes

    placed = chosen(profile, image)
    for given in recipe or ():
        placed.check(recipes.load(given))
    # kfp is imported with it, which takes a second.
    import_module("ratchet.pipelines.compile").compile_round(placed, out, allow_tags=allow_tags)
    print_lines([f"{out}: one round, placed by profile {placed.name}"])
    if placed.here:
        errors.print(
            "[dim]its images are this machine's own environment, which no cluster can pull; give --profile for a cluster[/dim]",
            highlight=False,
        )


def chosen(given: str | None, images: list[str] | None) -> Profile:
    """The profile, with the images of the command line."""
    import os

    from ratchet.profile import Profile

    pairs: dict[str, str] = {}
    for one in images or ():
        name, equals, reference = one.partition("=")
        if not equals or not reference:
            raise typer.BadParameter(f"{one!r} is not SET=REFERENCE, such as core=REGISTRY/ratchet-core@sha256:...")
        pairs[name] = reference
    return Profile.load(given or os.environ.get("RATCHET_PROFILE")).with_images(pairs)


@profile.command("list", epilog="Example: ratchet profile list")
def list_(as_json: JsonOption = False) -> None:
    """The profiles that come with ratchet. Their images only hold a place: give your own by --image, or in a copy."""
    from ratchet.profile import Profile, loading

    loaded = [Profile.load(name) for name in loading.names()]
    if as_json:
        print_json([{"name": one.name, "description": one.description} for one in loaded])
        return
    width = max(len(one.name) for one in loaded)
    for one in loaded:
        console.print(f"[bold]{one.name:<{width}}[/bold]  {one.description}", highlight=False)


@profile.command(epilog="Example: ratchet profile show gpu > mine.yaml")
def show(profile: ProfileArgument, as_json: JsonOption = False) -> None:
    """The resolved profile, every default spelled out; secrets by name, which is all that it knows of them."""
    from ratchet.profile import Profile

    loaded = Profile.load(profile).model_dump(mode="json")
    if as_json:
        print_json(loaded)
        return
    import yaml

    typer.echo(yaml.safe_dump(loaded, sort_keys=False, width=120), nl=False)


@profile.command(epilog="Example: ratchet profile schema > profile.schema.json")
def schema() -> None:
    """JSON Schema of a profile, for editors."""
    from ratchet.profile import Profile

    print_json(Profile.model_json_schema())


@profile.command(epilog="Example: ratchet profile check mine.yaml --recipe dpo --recipe grpo")
def check(
    profile: ProfileArgument, recipe: RecipeOption = None, image: ImageOption = None, as_json: JsonOption = False
) -> None:
    """Whether it could be compiled, and has what the recipes need."""
    loaded = chosen(profile, image)
    loaded.check_images()
    fit = {given: _fits(loaded, given) for given in recipe or ()}
    if as_json:
        print_json({"profile": loaded.name, "recipes": {name: why or "fits" for name, why in fit.items()}})
    else:
        print_lines([f"profile {loaded.name} is valid", *(f"{name}: {why or 'fits'}" for name, why in fit.items())])
    if any(fit.values()):
        raise typer.Exit(RecipeError.exit_code)


def _fits(loaded: Profile, given: str) -> str | None:
    """Why a recipe does not fit; None where it does."""
    from ratchet import recipe as recipes

    try:
        loaded.check(recipes.load(given))
    except RecipeError as error:
        return str(error)
    return None
