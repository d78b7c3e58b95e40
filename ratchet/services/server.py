"""A server as a child process: started in a session of its own, waited for, and surely stopped.

Every server carries a random token in its environment, and so do the processes that it starts in turn. Whoever knows
the token finds them all, even after a kill -9 of the process that started them, and never mistakes another process
with a reused number for one of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ratchet.errors import ServiceError

TOKEN = "RATCHET_SERVICES_TOKEN"
TAIL_LINES = 20
POLL_SECONDS = 0.1
# SeaweedFS's graceful stop waits for its own streams until it is killed. Nothing is lost: what it has acknowledged is
# with the operating system already, and its index is replayed at the next start.
STOP_SECONDS = 2.0
PORT_TAKEN = ("address already in use", "port is already in use", "errno 98", "errno 48")


class PortTaken(ServiceError):
    """The server died because somebody else took its port in the meantime."""


@dataclass
class Server:
    """One server. `ready` says whether it answers; `log` collects its output; `patience` in seconds."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    token: str
    ready: Callable[[], bool]
    log: Path
    patience: float = 120.0
    child: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    def spawn(self) -> None:
        """Start the process and return at once. Its own session keeps a terminal's Ctrl-C away from it."""
        environment = {**os.environ, **self.environment, TOKEN: self.token}
        with self.log.open("wb") as sink:
            self.child = subprocess.Popen(
                list(self.command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Block until the server answers. Raises ServiceError with its log's end when it dies or takes too long."""
        deadline = time.monotonic() + self.patience
        while not self.ready():
            self._check_alive()
            if time.monotonic() > deadline:
                raise ServiceError(f"{self.name} did not answer within {self.patience:.0f} s; {self._tail()}")
            time.sleep(POLL_SECONDS)
        self._check_alive()

    def _check_alive(self) -> None:
        if self.child is None or self.child.poll() is None:
            return
        # The whole log: a program may print its stacks after the line that says why.
        said = self.log.read_text(errors="replace").lower() if self.log.exists() else ""
        kind = PortTaken if any(words in said for words in PORT_TAKEN) else ServiceError
        raise kind(f"{self.name} ended with status {self.child.returncode} before it answered; {self._tail()}")

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if self.log.exists() else []
        return "\n".join([f"the end of its log {self.log}:", *lines])

    def let_go(self) -> None:
        """Let the process outlive this one. Popen would complain when it is forgotten while its process runs."""
        if self.child is not None:
            self.child.returncode = 0

    def reap(self) -> None:
        """Collect the exit status of a stopped child, so that no zombie stays."""
        if self.child is not None:
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(timeout=5)


def members(token: str) -> list[int]:
    """Numbers of the live processes that carry `token`, ours excluded."""
    wanted = f"{TOKEN}={token}"
    return [pid for pid, environment in _environments() if wanted in environment and pid != os.getpid()]


def stop(token: str, patience: float = STOP_SECONDS) -> None:
    """End every process with this token: SIGTERM, and SIGKILL for what is left after `patience` seconds."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + seconds
        for pid in members(token):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        while members(token):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS / 2)
        else:
            return
    raise ServiceError(f"processes {members(token)} do not end even after SIGKILL: end them by hand, then start again")


def _environments() -> Iterator[tuple[int, list[str]]]:
    """Every process that may be looked into, with its environment as NAME=value texts."""
    proc = Path("/proc/self/environ")
    if not proc.exists():  # macOS: ps prints the environment behind the command
        listing = subprocess.run(["ps", "-A", "-E", "-o", "pid=,command="], capture_output=True, text=True, check=True)
        yield from ((int(line.split()[0]), line.split()[1:]) for line in listing.stdout.splitlines() if line.strip())
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # ended meanwhile, or somebody else's
                yield int(entry.name), (entry / "environ").read_bytes().decode(errors="replace").split("\0")
