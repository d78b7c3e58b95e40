"""What a services folder remembers between starts: credentials, ports and the token of what runs."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from contextlib import ExitStack
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ratchet.errors import ServiceError

FILE = "services.json"
PORTS = ("s3", "s3_grpc", "master", "master_grpc", "volume", "volume_grpc", "filer", "filer_grpc", "mlflow")


class Settings(BaseModel):
    """The content of services.json. `kept`: the servers were meant to outlive the process that started them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str
    access_key: str
    secret_key: str
    ports: dict[str, int]
    mlflow: bool
    kept: bool = False

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"


def load(folder: Path) -> Settings | None:
    """The settings of an earlier start, or None. Raises ServiceError when the file is not readable as such."""
    path = folder / FILE
    try:
        return Settings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ServiceError(f"{path} cannot be read ({error}); remove it if no server runs from this folder") from error


def renew(last: Settings | None, *, mlflow: bool, same_ports: bool) -> Settings:
    """Settings for the next start: the credentials stay, and so do the ports while they are free."""
    ports = last.ports if last and same_ports and set(last.ports) == set(PORTS) else free_ports()
    return Settings(
        token=secrets.token_hex(16),
        access_key=last.access_key if last else secrets.token_hex(10),
        secret_key=last.secret_key if last else secrets.token_urlsafe(30),
        ports=ports if _all_free(ports) else free_ports(),
        mlflow=mlflow,
    )


def save(folder: Path, settings: Settings) -> None:
    write_private(folder / FILE, settings.model_dump_json(indent=1))


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it at any time."""
    temp = path.with_name(f".{path.name}.{os.getpid()}")
    temp.unlink(missing_ok=True)
    with os.fdopen(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    os.replace(temp, path)


def free_ports() -> dict[str, int]:
    """Distinct loopback ports. Held together while they are drawn, free again on return: others may be faster."""
    with ExitStack() as stack:
        found = {name: stack.enter_context(socket.socket()) for name in PORTS}
        for held in found.values():
            held.bind(("127.0.0.1", 0))
        return {name: held.getsockname()[1] for name, held in found.items()}


def _all_free(ports: dict[str, int]) -> bool:
    try:
        with ExitStack() as stack:
            for port in ports.values():
                held = stack.enter_context(socket.socket())
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


class Ownership:
    """A lock on the folder for as long as this process lives; the system drops it even after a kill -9."""

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder / "services.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise ServiceError(
                f"the servers of {folder} belong to a ratchet process that still runs: end it, or use another folder"
            ) from None

    def release(self) -> None:
        """Let others own the folder. Quiet when called again."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
