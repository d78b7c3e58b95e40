"""`ratchet trigger ...`: start the next round when the champion moves."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ratchet.cli.output import EmbeddedOption, JsonOption, ProfileOption, console, print_json, whole, workplace

if TYPE_CHECKING:
    from ratchet.operations.trigger.drive import OnMove
    from ratchet.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="Start the next round of a loop when its champion moves, whoever moved it."
)
LoopsOption = Annotated[
    list[str] | None, typer.Option("--loop", "-l", help="A loop; give it several times for several.")
]


class Start(StrEnum):
    local = "local"
    kfp = "kfp"


@app.command(epilog="Example: ratchet trigger serve --loop mine --start kfp --port 8080")
def serve(
    loop: LoopsOption = None,
    every: Annotated[bool, typer.Option("--all", help="All loops of the store, also those that come later.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 in a container.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one, which is printed.")] = 8080,
    poll: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks at all loops.")] = 30.0,
    start: Annotated[
        Start, typer.Option(help="What starts a round: Kubeflow Pipelines, or processes here.")
    ] = Start.kfp,
    webhooks: Annotated[
        bool,
        typer.Option(
            help="Take MLflow's webhooks. Their secret comes from RATCHET_WEBHOOK_SECRET or RATCHET_WEBHOOK_SECRET_FILE."
        ),
    ] = True,
    profile: ProfileOption = None,
    serving: Annotated[
        Path | None, typer.Option("--serving", help="Roll what serves each loop's champion, as this config says.")
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Where logs of local rounds go.")] = Path("ratchet-runs"),
    embedded: EmbeddedOption = None,
) -> None:
    """Serve until SIGTERM. A loop's rounds are started only where its policy says that the trigger owns it."""
    from ratchet.operations.trigger.serve import build, starter_of
    from ratchet.operations.trigger.serve import serve as run
    from ratchet.operations.trigger.service import Options
    from ratchet.operations.trigger.signature import read_secrets
    from ratchet.rounds import check_loop_name

    if bool(loop) == every:
        raise typer.BadParameter("name the loops with --loop, or say --all", param_hint="--loop")
    loops = tuple(check_loop_name(one) for one in loop or ())
    secrets = read_secrets() if webhooks else ()
    with workplace(embedded, known=True) as settings:
        settings = settings.model_copy(update={"profile": profile or settings.profile})
        options = Options(loops=loops, poll=poll, secrets=secrets, webhooks=webhooks)
        service = build(settings, starter_of(start.value, settings, folder), options, _followers(settings, serving))
        run(service, host, port, lambda place: console.print(f"trigger serves on {place}", highlight=False))


def _followers(settings: Settings, serving: Path | None) -> list[OnMove]:
    if serving is None:
        return []
    from ratchet.serving import Follower, ServingConfig

    return [Follower(settings, ServingConfig.load(serving))]


@app.command(epilog="Example: ratchet trigger register --url http://ratchet-trigger.ratchet/webhooks/mlflow")
def register(
    url: Annotated[str, typer.Option(help="Where MLflow's server reaches the trigger, with /webhooks/mlflow.")],
    name: Annotated[str, typer.Option(help="Name of the webhook in MLflow.")] = "ratchet-trigger",
    test: Annotated[bool, typer.Option(help="Let MLflow send a test delivery.")] = True,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the webhook in MLflow, or bring it to this URL and secret. Again, it changes nothing."""
    from ratchet.operations.trigger.register import WITHOUT
    from ratchet.operations.trigger.register import register as make
    from ratchet.operations.trigger.signature import read_secrets
    from ratchet.settings import STORE_REGISTRY

    secret = read_secrets()[0]
    with workplace(embedded, known=True) as settings:
        if settings.registry == STORE_REGISTRY:
            raise typer.BadParameter(
                "a registry in the store has no webhooks; the trigger polls it", param_hint="--url"
            )
        found = make(settings.registry, url, secret, name, test=test)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        console.print(
            f"webhook {found.name} to {found.url}: {'made' if found.new else 'brought to this address and secret'}",
            highlight=False,
        )
    if found.trouble is not None:
        console.print(
            f"the trigger did not answer a test delivery: {found.trouble}. {WITHOUT}", style="yellow", highlight=False
        )
        raise typer.Exit(1)


@app.command(epilog="Example: ratchet trigger status --loop mine")
def status(loop: LoopsOption = None, embedded: EmbeddedOption = None, as_json: JsonOption = False) -> None:
    """What the trigger has started, and for which moves; read from the store, whether a trigger runs or not."""
    from ratchet.operations.trigger.status import trigger_status
    from ratchet.rounds import loops
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        found = [trigger_status(store, one) for one in loop or loops(store)]
    if as_json:
        print_json(found)
        return
    for one in found:
        _show(one)


def _show(found: dict[str, Any]) -> None:
    owner = f"rounds started by: {found['owner']}" if found["owner"] else "no policy: only people start its rounds"
    console.print(f"[bold]{found['loop']}[/bold]  {owner}", highlight=False)
    if found["stopped"]:
        console.print(found["stopped"], style="yellow", highlight=False, markup=False)
    table = Table("ask", "cause", whole("run"), "asked", "why", box=None, pad_edge=False)
    for ask in found["asks"]:
        table.add_row(
            str(ask["number"]), ask["cause"], ask["run"] or "not started", f"{ask['at']:%Y-%m-%d %H:%M:%S}", ask["why"]
        )
    console.print(table)
