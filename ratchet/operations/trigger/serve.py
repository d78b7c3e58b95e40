"""Serve the trigger until it is told to end: its HTTP side under uvicorn, its poller and workers beside."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ratchet.errors import ServiceError
from ratchet.operations.local_starter import LocalStarter
from ratchet.operations.starting import Starter
from ratchet.operations.trigger.drive import Driver, OnMove
from ratchet.operations.trigger.metrics import Metrics
from ratchet.operations.trigger.service import Options, Service
from ratchet.registry import open_registry
from ratchet.settings import Settings
from ratchet.store import open_store

CONNECTIONS = 1000
BACKLOG = 2048
GRACE_SECONDS = 5
SWITCH_SECONDS = 0.0005
"""A worker that computes lets the answers to webhooks through that soon; Python's own 5 ms would be their p99."""


def build(settings: Settings, starter: Starter, options: Options, on_move: Sequence[OnMove] = ()) -> Service:
    """A service over the store and the registry of the settings. Nothing is contacted yet."""
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    metrics = Metrics()
    return Service(registry, store, Driver(registry, store, starter, metrics, on_move), metrics, options)


def starter_of(kind: str, settings: Settings, folder: Path) -> Starter:
    """What starts the rounds: `local`, processes of this machine, or `kfp`, runs of the profile's Kubeflow Pipelines."""
    if kind == "local":
        return LocalStarter(settings, folder)
    from ratchet.platform.places import Place
    from ratchet.platform.starter import KfpStarter
    from ratchet.profile import Profile

    place = Place.of(Profile.load(settings.profile))
    return KfpStarter(place.connect(), open_store(settings.root), place)


def serve(service: Service, host: str, port: int, said: Callable[[str], None] = lambda _: None) -> None:
    """Block until SIGTERM or SIGINT, then end within seconds: what runs goes on, what waits is looked at. Raises ServiceError."""
    import uvicorn

    from ratchet.operations.trigger.app import create_app

    place = _bound(host, port)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        create_app(service),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # uvicorn raises the signal again when it has ended: being told to end is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    sys.setswitchinterval(SWITCH_SECONDS)
    # A full collection walks all that was imported, which never goes, and answers nobody meanwhile: a tenth of a second.
    gc.collect()
    gc.freeze()
    said(f"http://{host}:{place.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[place])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise ServiceError(
            f"the trigger cannot listen on {host}:{port}: {error.strerror or error}; give another --port"
        ) from error
    return found
