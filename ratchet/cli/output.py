"""What all commands share: consoles, JSON output, and finding store and registry."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, ConsoleDimensions
from rich.table import Column

from ratchet import canonical

if TYPE_CHECKING:
    from ratchet.artifacts import Manifest
    from ratchet.report.tables import Table
    from ratchet.settings import Settings


class _Output(Console):
    """As wide as the terminal. Where there is none (a pipe, a file) nothing is cut: an id that is cut can't be searched for.

    COLUMNS is read when it prints: rich reads it once, when the module is imported.
    """

    _UNCUT = ConsoleDimensions(10_000, 25)

    @property  # type: ignore[misc]  # rich's can be set as well, and nothing here sets it
    def size(self) -> ConsoleDimensions:
        columns = os.environ.get("COLUMNS", "")
        if columns.isdigit():
            return ConsoleDimensions(int(columns), 25)
        return super().size if self.is_terminal else self._UNCUT


console = _Output()
errors = _Output(stderr=True)

LoopOption = Annotated[str, typer.Option("--loop", "-l", help="Name of the loop.")]
JobOption = Annotated[str | None, typer.Option("--job", help="The run to work for; default: the loop's last.")]
ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", help="Where it runs: a YAML file; default: RATCHET_PROFILE, else this machine."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
EmbeddedOption = Annotated[
    Path | None,
    typer.Option(
        "--embedded",
        help="Folder of a store and a registry of our own (SeaweedFS, MLflow); started for this command. "
        "Without it RATCHET_ROOT and MLFLOW_TRACKING_URI say where they are.",
    ),
]


def user_name(option: str) -> str:
    """Who types. A container whose user id has no name needs to be told, by `option`."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise typer.BadParameter(f"{option} NAME is needed: this user id has no name here", param_hint=option) from None


def print_json(value: Any) -> None:
    sys.stdout.write(canonical.pretty(value).decode())


def print_manifest(name: str, manifest: Manifest, as_json: bool) -> None:
    """What a stage has made."""
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    counts = ", ".join(f"{value} {key}" for key, value in manifest.counts.items())
    console.print(f"{name}: {manifest.rows} rows ({counts})", highlight=False)
    console.print(f"{manifest.uri}  content {manifest.content_digest[:12]}", highlight=False, soft_wrap=True)


def print_lines(lines: Iterable[str]) -> None:
    """Text as it is: brackets of a model's answer are no markup, and a long line is not broken."""
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def whole(head: str) -> Column:
    """A table's column that is not broken however narrow the terminal: an id is there to be copied."""
    return Column(head, no_wrap=True)


def print_tables(tables: Iterable[Table]) -> None:
    """Tables under each other. Foreign text is no markup."""
    from rich.table import Table as Shown
    from rich.text import Text

    for title, head, rows, left in tables:
        shown = Shown(title=Text(title), title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
        for place, word in enumerate(head):
            shown.add_column(word, justify="left" if place < left else "right")
        for row in rows:
            shown.add_row(*map(Text, row))
        console.print(shown)
        console.print()


@contextmanager
def workplace(embedded: Path | None, *, known: bool = False) -> Iterator[Settings]:
    """Settings from the environment, or from servers started (or found running) in `embedded`.

    `known`: the command needs what is there already, so a folder that is no workplace is a usage error and not made one.
    """
    from ratchet.settings import Settings

    if embedded is None:
        yield Settings.from_environment()
        return
    from ratchet import services
    from ratchet.errors import ServiceError
    from ratchet.services.settings import load

    if known and load(embedded) is None:
        raise typer.BadParameter(
            f"{embedded} is no embedded workplace; `ratchet services start {embedded}` or `ratchet init --embedded {embedded}` "
            "makes one",
            param_hint="--embedded",
        )

    try:
        running = services.attach(embedded)
    except ServiceError:
        errors.print(f"[dim]starting SeaweedFS and MLflow in {embedded} ...[/dim]", highlight=False)
        running = services.start(embedded)
    with running:
        os.environ.update(running.environment())
        yield Settings.from_environment()
