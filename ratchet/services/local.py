"""Start, find and stop the servers of one folder."""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from types import TracebackType

from ratchet.errors import ServiceError
from ratchet.services import server as processes
from ratchet.services.mlflow_server import mlflow_server
from ratchet.services.seaweed import BUCKET, REGION, answers, seaweed_server, sweep
from ratchet.services.server import PortTaken, Server
from ratchet.services.settings import Ownership, Settings, load, renew, save

STARTS = 3
LOOPBACK = "127.0.0.1,localhost"


class Services:
    """Running servers. Leaving its context stops them, unless they were attached to or `keep` was called."""

    def __init__(self, folder: Path, settings: Settings, ownership: Ownership | None, servers: list[Server]) -> None:
        self.folder = folder
        self.settings = settings
        self._ownership = ownership
        self._servers = servers

    def environment(self) -> dict[str, str]:
        """Variables that lead boto3, MLflow and ratchet to these servers. Empty ones cancel what may be set."""
        return _environment(self.settings)

    def keep(self) -> None:
        """Leave the servers running when this process ends; `attach` finds them."""
        self.settings = self.settings.model_copy(update={"kept": True})
        save(self.folder, self.settings)
        for one in self._servers:
            one.let_go()
        self._let_go()

    def stop(self) -> None:
        """End the servers, whoever started them. Quiet when called again."""
        _end(self.settings, self._servers)
        self._let_go()

    def _let_go(self) -> None:
        if self._ownership is not None:
            atexit.unregister(self.stop)
            self._ownership.release()
            self._ownership = None

    def __enter__(self) -> Services:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ownership is not None:
            self.stop()


def start(folder: str | os.PathLike[str], *, mlflow: bool = True) -> Services:
    """Start SeaweedFS and MLflow over `folder` and wait until both answer.

    What an earlier, killed process or a `keep` left running there is stopped first; the data stay. Raises ServiceError
    with the end of a server's log when it does not come up, or when a live process owns the folder.
    """
    place = Path(folder).resolve()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    ownership = Ownership(place)
    try:
        last = load(place)
        if last is not None:
            _end(last, [])
        for left in reversed(range(STARTS)):
            settings = renew(last, mlflow=mlflow, same_ports=left == STARTS - 1)
            try:
                return _started(place, settings, ownership)
            except PortTaken:
                if not left:
                    raise
    except BaseException:
        ownership.release()
        raise
    raise AssertionError("STARTS is at least 1")


def attach(folder: str | os.PathLike[str]) -> Services:
    """The servers that run over `folder` already. Leaving its context does not stop them. Raises ServiceError."""
    place = Path(folder).resolve()
    settings = load(place)
    if settings is None or not processes.members(settings.token):
        raise ServiceError(f"no servers run from {place}: `ratchet services start` starts them")
    checks = [f"{settings.url('s3')}/healthz"] + [f"{settings.url('mlflow')}/health"] * settings.mlflow
    silent = [url for url in checks if not answers(url)]
    if silent:
        raise ServiceError(f"the servers of {place} do not answer at {', '.join(silent)}: see the logs in that folder")
    return Services(place, settings, None, [])


def _started(folder: Path, settings: Settings, ownership: Ownership) -> Services:
    """Both servers at once: MLflow takes most of the time and needs S3 only when artifacts come."""
    servers = [seaweed_server(folder, settings)]
    if settings.mlflow:
        servers.append(mlflow_server(folder, settings, _environment(settings)))
    services = Services(folder, settings, ownership, servers)
    # Saved before anything runs: from here on the next start finds what a crash leaves behind.
    save(folder, settings)
    atexit.register(services.stop)
    try:
        for one in servers:
            one.spawn()
        for one in servers:
            one.wait()
    except BaseException:
        _end(settings, servers)
        atexit.unregister(services.stop)
        raise
    return services


def _end(settings: Settings, servers: list[Server]) -> None:
    processes.stop(settings.token)
    for one in servers:
        one.reap()
    sweep(settings)


def _environment(settings: Settings) -> dict[str, str]:
    found = {
        "RATCHET_ROOT": f"s3://{BUCKET}",
        "RATCHET_S3_PATH_STYLE": "1",
        "AWS_ACCESS_KEY_ID": settings.access_key,
        "AWS_SECRET_ACCESS_KEY": settings.secret_key,
        "AWS_SESSION_TOKEN": "",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_S3": settings.url("s3"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if settings.mlflow:
        found["MLFLOW_TRACKING_URI"] = settings.url("mlflow")
        found["MLFLOW_S3_ENDPOINT_URL"] = settings.url("s3")
    for name in ("NO_PROXY", "no_proxy"):
        found[name] = ",".join(filter(None, [os.environ.get(name, ""), LOOPBACK]))
    return found
