"""One subcommand per stage: what the components run, from a shell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from ratchet.cli import auditing, evaluating, generating, organising, training
from ratchet.cli.output import (
    EmbeddedOption,
    JobOption,
    JsonOption,
    LoopOption,
    errors,
    print_json,
    print_manifest,
    workplace,
)

ORDER = ("begin", "generate", "verify", "filter", "train", "evaluate", "promote", "finish")
"""As in ratchet.stage, which would load Arrow for `ratchet --help`."""

_HELP = {
    "promote": "Register the candidate and decide; completes a round whose registry was down.",
}


def register(app: typer.Typer) -> None:
    app.command("begin", rich_help_panel="Stages", epilog="Example: ratchet begin --loop mine --recipe rft")(_begin)
    app.command("generate", rich_help_panel="Stages", epilog=generating.EPILOG)(generating.generate)
    auditing.register(organising.verifying)
    app.add_typer(organising.verifying, name="verify", rich_help_panel="Stages")
    app.command("filter", rich_help_panel="Stages", epilog=organising.FILTER_EPILOG)(organising.filter_)
    app.command("train", rich_help_panel="Stages", epilog=training.EPILOG)(training.train)
    app.add_typer(evaluating.evaluating, name="evaluate", rich_help_panel="Stages")
    for name in _HELP:
        example = f"Example: ratchet {name} --loop mine"
        app.command(name, help=_HELP[name], rich_help_panel="Stages", epilog=example)(_stage(name))
    app.command("finish", rich_help_panel="Stages", epilog="Example: ratchet finish --loop mine --job run-42")(_finish)


def _stage(name: str) -> Callable[..., None]:
    def command(
        loop: LoopOption = "default",
        job: JobOption = None,
        embedded: EmbeddedOption = None,
        as_json: JsonOption = False,
    ) -> None:
        from ratchet.live import watching
        from ratchet.loop import run_stage

        with workplace(embedded) as settings:
            with watching(errors):
                manifest = run_stage(settings, loop, name, job)
            if name == "promote":
                from ratchet.finish import finish
                from ratchet.loop import ticket_of

                finish(ticket_of(settings, loop, job).job, loop, settings)
        print_manifest(name, manifest, as_json)

    return command


def _begin(
    loop: LoopOption = "default",
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="A shipped name, a YAML file, or YAML text.")] = "rft",
    job: Annotated[str | None, typer.Option("--job", help="Name of the run; default: a new one.")] = None,
    seed: Annotated[str, typer.Option(help="The alias, or a registered version.")] = "champion",
    embedded: EmbeddedOption = None,
) -> None:
    """Open or reopen the loop's round: resolve the seed, take the lease, draw the prompts."""
    from ratchet.begin import BeginOptions, begin
    from ratchet.loop import new_job

    with workplace(embedded) as settings:
        ticket = begin(job or new_job(), BeginOptions(loop=loop, recipe=recipe, seed=seed), settings)
    print_json(ticket.model_dump(mode="json"))


def _finish(
    job: Annotated[str, typer.Option("--job", help="The run that ends.")],
    loop: LoopOption = "default",
    embedded: EmbeddedOption = None,
) -> None:
    """Say how the round ended, write its report, release the lease."""
    from ratchet.finish import finish

    with workplace(embedded) as settings:
        end = finish(job, loop, settings)
    print_json(end.model_dump(mode="json"))
