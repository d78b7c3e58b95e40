"""The tree of commands, and how errors end the program.

Exit codes: 0 done; 1 any other error; 2 recipe, profile or usage; 3 prompts or import; 4 artifact; 5 store; 6 lease;
7 model, sampling, verifier or training; 8 registry; 9 round; 10 a local server; 11 a cluster's API; 12 preflight; 130 interrupted.
"""

from __future__ import annotations

import signal
import sys

import typer
from typer.core import TyperGroup

import ratchet
from ratchet.cli import (
    benching,
    cluster,
    compiling,
    curation,
    environments,
    gating,
    loops,
    opening,
    preflighting,
    recipes,
    retention,
    reviewing,
    schedules,
    servers,
    serving,
    sets,
    stages,
    standing,
    triggering,
    versions,
    weakness,
    worlds,
)
from ratchet.cli.output import errors
from ratchet.errors import RatchetError


class InOrder(TyperGroup):
    """Lists stages in the order in which they run; one with commands of its own would come last."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return sorted(
            super().list_commands(ctx), key=lambda name: stages.ORDER.index(name) if name in stages.ORDER else -1
        )


app = typer.Typer(
    cls=InOrder,
    name="ratchet",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Multimodal models that improve themselves, round by round, behind a gate.\n\n"
    "Begin with [bold]ratchet demo[/bold]: it needs nothing but this machine.",
    epilog="Exit codes: 0 done, 1 other, 2 recipe or usage, 3 prompts, 4 artifact, 5 store, 6 lease, 7 model or training, "
    "8 registry, 9 round, 10 local server, 11 cluster, 12 preflight.",
)
app.command(rich_help_panel="Loops", epilog=opening.EPILOG)(opening.init)
loops.register(app)
cluster.register(app)
preflighting.register(app)
sets.register(app)
curation.register(app)
compiling.register(app)
stages.register(app)
weakness.register(app)
reviewing.register(app)
versions.register(app)
gating.register(app)
standing.register(app)
retention.register(app)
app.add_typer(recipes.app, name="recipe")
app.add_typer(gating.gate, name="gate")
app.add_typer(schedules.app, name="schedule", rich_help_panel=cluster.PANEL)
app.add_typer(servers.app, name="services")
app.add_typer(serving.app, name="serving")
app.add_typer(environments.app, name="environment")
app.add_typer(worlds.app, name="tinyworld")
app.add_typer(triggering.app, name="trigger")
app.add_typer(benching.app, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ratchet {ratchet.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    pass


def main() -> None:
    """Entry point: a RatchetError becomes its message and its exit code, never a traceback."""
    # A polite end of the process must stop the servers that it started: as an exit, not as a sudden death.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    try:
        app()
    except RatchetError as error:
        errors.print(f"[bold red]{type(error).__name__}[/bold red]", highlight=False)
        errors.print(str(error), markup=False, highlight=False)
        sys.exit(error.exit_code)
    except Interrupted:
        errors.print(
            "interrupted; what is finished is kept. `ratchet resume --loop LOOP` goes on with the round, or the same command "
            "without --recipe with its stage",
            highlight=False,
        )
        sys.exit(130)


class Interrupted(BaseException):
    """Ctrl-C. Not a KeyboardInterrupt, which typer would swallow without a word."""


def _interrupted(*_: object) -> None:
    raise Interrupted
