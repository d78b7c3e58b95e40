"""Build the images for real, lint their Dockerfiles, print their sizes, and run the tests in this folder: `make test-images`.

DOCKER_HOST names an engine that runs already; without it a daemon is installed (as root, with apt), started and stopped.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.images.daemon import base_image, client, daemon, install
from tests.images.linting import complaints

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "images"
FACTS = FOLDER / "images.json"
WHEELS = ROOT / "Dockerfiles" / "wheels"


def main() -> int:
    # A polite end must stop the daemon too: as an exit, not as a sudden death.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    FOLDER.mkdir(parents=True, exist_ok=True)
    if said := complaints():
        raise SystemExit(f"hadolint:\n{said}")
    with engine() as host, wheels() as found:
        environment = {**os.environ, "DOCKER_HOST": host, "RATCHET_IMAGES": str(FACTS)}
        start = time.monotonic()
        build(environment, found)
        say(f"built in {time.monotonic() - start:.0f} s")
        tests = [sys.executable, "-m", "pytest", "-q", "-m", "images", "tests/images", *sys.argv[1:]]
        return subprocess.run(tests, cwd=ROOT, env=environment, check=False).returncode


@contextmanager
def engine() -> Iterator[str]:
    """The engine that DOCKER_HOST names, or a daemon of our own with a base image of our own."""
    if given := os.environ.get("DOCKER_HOST"):
        yield given
        return
    install()
    with daemon(FOLDER) as host:
        start = time.monotonic()
        base_image(host, FOLDER)
        say(f"base image in {time.monotonic() - start:.0f} s")
        yield host


@contextmanager
def wheels() -> Iterator[bool]:
    """Lay this machine's own wheels where a build finds them, for as long as it takes; whether there are any."""
    places = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS") or ""
    found = [file for place in places.split() for file in Path(place).glob("*.whl")]
    laid = [Path(shutil.copy(file, WHEELS)) for file in found]
    try:
        yield bool(laid)
    finally:
        for file in laid:
            file.unlink(missing_ok=True)


def build(environment: dict[str, str], from_wheels: bool) -> None:
    command = [sys.executable, "Dockerfiles/build.py", "--engine", client(), "--network", "host", "--out", str(FACTS)]
    # CPU torch lies among the wheels, or comes from PyTorch's index.
    command += ["--torch", ""] if from_wheels else []
    log = FOLDER / "build.log"
    with log.open("wb") as sink:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=sink, check=False)
    if done.returncode:
        raise SystemExit(f"the build failed; the end of {log}:\n{log.read_text(errors='replace')[-5000:]}")
    # The engine's own output goes to stdout too where it has no BuildKit; the table is its end.
    say(b"\n".join(done.stdout.splitlines()[-4:]).decode())


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
