"""`ratchet services ...`: the store and the registry of our own, kept running between commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.output import EmbeddedOption, console, workplace

if TYPE_CHECKING:
    from ratchet.services.fake_pipelines import FakePipelines

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


@app.command(
    epilog="Example: ratchet services pipelines --port 8888 --folder fake-pipelines --embedded work --profile cpu"
)
def pipelines(
    port: Annotated[int, typer.Option(help="Port on this machine; 0: a free one.")] = 8888,
    folder: Annotated[
        Path | None, typer.Option(help="Runs really run on this machine, with kfp.local, and log here.")
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds from one moment of all schedules to the next; 0: never.")] = 0.0,
    embedded: EmbeddedOption = None,
) -> None:
    """A fake of the API of Kubeflow Pipelines, to try out deploy, submit and schedule without a cluster. Ends with Ctrl-C."""
    import time

    from ratchet.services.fake_pipelines import FakePipelines

    if folder is not None:
        with (
            workplace(embedded, known=True) as settings,
            FakePipelines(port=port, execute=folder, environment=settings.environment()) as fake,
        ):
            _serve(fake, every, time.sleep)
        return
    with FakePipelines(port=port) as fake:
        _serve(fake, every, time.sleep)


def _serve(fake: FakePipelines, every: float, sleep: Callable[[float], None]) -> None:
    console.print(f"KFP_ENDPOINT={fake.url}", highlight=False)
    while True:
        sleep(every or 3600.0)
        for run in fake.state.tick() if every else ():
            console.print(f"a schedule started run {run}", highlight=False)
