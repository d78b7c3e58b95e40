"""`ratchet serving ...`: the champion, served in the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.output import JsonOption, LoopOption, errors, print_json, print_lines, user_name

if TYPE_CHECKING:
    from ratchet.serving import Followed

app = typer.Typer(
    no_args_is_help=True, help="The champion, served in the cluster: rolled by the trigger, a canary first."
)
ConfigOption = Annotated[Path, typer.Option("--config", help="What is served and how: YAML, as docs/serving.md shows.")]


@app.command(epilog="Example: ratchet serving follow --loop mine --config serving.yaml")
def follow(
    config: ConfigOption,
    loop: LoopOption = "default",
    version: Annotated[
        str | None, typer.Option("--version", help="Only if this version is champion; default: whichever is.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Try a version that was aborted before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve the champion: a canary is asked, takes a share of the traffic, then all; else the old version stays."""
    from ratchet.serving import ServingConfig
    from ratchet.serving import follow as follow_champion
    from ratchet.settings import Settings

    def say(words: str) -> None:
        errors.print(words, highlight=False, markup=False)

    settings = Settings.from_environment()
    told = follow_champion(settings, loop, version, ServingConfig.load(config), again=again, say=say)
    _print(told, as_json)
    if told.state == "aborted":
        raise typer.Exit(1)


@app.command(epilog="Example: ratchet serving show --loop mine --config serving.yaml")
def show(config: ConfigOption, loop: LoopOption = "default", as_json: JsonOption = False) -> None:
    """What serves now, and what was aborted last."""
    from ratchet.serving import ServingConfig
    from ratchet.serving import show as shown

    _print(shown(loop, ServingConfig.load(config)), as_json)


@app.command(
    epilog='Example: ratchet serving abort --loop mine --config serving.yaml --why "answers in the wrong language"'
)
def abort(
    config: ConfigOption,
    loop: LoopOption = "default",
    why: Annotated[str, typer.Option("--why", help="Noted on what serves.")] = "asked for",
    by: Annotated[str | None, typer.Option(help="Who asks, noted too; default: you.")] = None,
    as_json: JsonOption = False,
) -> None:
    """End a canary now: the old version has all traffic, and this champion is not tried again unasked."""
    from ratchet.serving import ServingConfig
    from ratchet.serving import abort as abort_canary
    from ratchet.settings import Settings

    who = by or user_name("--by")
    _print(abort_canary(Settings.from_environment(), loop, ServingConfig.load(config), why, who), as_json)


@app.command(epilog="Example: ratchet serving fetch --loop mine --version 3 --to /models/champion")
def fetch(
    version: Annotated[str, typer.Option("--version", help="Of the loop's model.")],
    to: Annotated[Path, typer.Option("--to", help="Becomes a link to the model's folder.")],
    loop: LoopOption = "default",
    digest: Annotated[str, typer.Option("--digest", help="Refuse a model with another digest.")] = "",
) -> None:
    """Download a version from the store, checked by its digest: the first container of a pod that serves."""
    from ratchet.serving.fetching import fetch_version
    from ratchet.settings import Settings

    print_lines([str(fetch_version(Settings.from_environment(), loop, version, to, digest))])


def _print(told: Followed, as_json: bool) -> None:
    if as_json:
        print_json(told.model_dump(mode="json"))
        return
    line = f"{told.name}: {told.state}; version {told.serving or 'none'} has the traffic"
    why = f"{told.why} ({told.by})" if told.by else told.why
    print_lines([line, *([why] if why else [])])
