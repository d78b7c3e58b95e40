"""`ratchet services ...`: the store and the registry of our own, kept running between commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratchet.cli.output import console

app = typer.Typer(no_args_is_help=True, help="SeaweedFS and MLflow on this machine, kept running between commands.")
FolderArgument = Annotated[Path, typer.Argument(help="Folder of their data; what --embedded names.")]


@app.command(epilog="Example: ratchet services start work")
def start(folder: FolderArgument) -> None:
    """Start both and leave them running; commands with --embedded FOLDER then begin at once."""
    from ratchet import services

    running = services.start(folder)
    running.keep()
    environment = running.environment()
    console.print(
        f"S3 {environment['AWS_ENDPOINT_URL_S3']}   MLflow {environment['MLFLOW_TRACKING_URI']}", highlight=False
    )
    console.print(f"`ratchet services stop {folder}` ends them; the data stay", highlight=False)


@app.command(epilog="Example: ratchet services stop work")
def stop(folder: FolderArgument) -> None:
    """End the servers of a folder. Their data stay."""
    from ratchet import services

    services.attach(folder).stop()
    console.print(f"stopped; the data are in {folder}", highlight=False)
