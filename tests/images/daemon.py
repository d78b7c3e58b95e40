"""A Docker daemon of our own, from Debian's package, and a base image that no registry has to serve.

The daemon's folder keeps its layers between runs, so that a second run builds only what has changed. It is always stopped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PACKAGES = {"dockerd": "docker.io", "debootstrap": "debootstrap"}
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
BASE = f"python:3.11-slim-{SUITE}"
NEEDLESS = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PATIENCE = 240.0


def install() -> None:
    """What is missing of Debian's packages. SystemExit where this user may not."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not missing:
        return
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit(
            f"{', '.join(missing)} must be installed; where an engine runs, set DOCKER_HOST and it is used"
        )
    subprocess.run(["apt-get", "-qq", "update"], check=True)
    command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)


def client() -> str:
    """Debian's client where it is there: another one on the path may want a plug-in to build."""
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """Run dockerd for the block; yields DOCKER_HOST. Containers have the host's network or none."""
    folder.mkdir(parents=True, exist_ok=True)
    # A socket's path may have no more than 107 characters, which a checkout's may exceed.
    runs = Path(f"/run/ratchet-images-{os.getpid()}")
    runs.mkdir()
    host = f"unix://{runs}/docker.sock"
    settings = {
        "data-root": str(folder / "docker"),
        "exec-root": str(runs / "exec"),
        "pidfile": str(runs / "pid"),
        "bridge": "none",
        "iptables": False,
    }
    file = runs / "daemon.json"
    file.write_text(json.dumps(settings))
    with (folder / "dockerd.log").open("wb") as log:
        child = subprocess.Popen(["dockerd", "--config-file", str(file), "-H", host], stdout=log, stderr=log)
        try:
            _wait(host, child, folder / "dockerd.log")
            yield host
        finally:
            child.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(30)
            child.kill()
            child.wait()
            # The host's network stays mounted where containers have used it.
            for mount in (runs / "exec" / "netns").glob("*"):
                subprocess.run(["umount", str(mount)], check=False)
            shutil.rmtree(runs)


def _wait(host: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while subprocess.run([client(), "-H", host, "version"], capture_output=True, check=False).returncode:
        if child.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"dockerd does not answer; the end of {log}:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


def base_image(host: str, folder: Path) -> None:
    """Debian's Python in the place of the official image, unless the daemon has one already."""
    known = subprocess.run([client(), "-H", host, "image", "inspect", BASE], capture_output=True, check=False)
    if known.returncode == 0:
        return
    root = folder / "base"
    shutil.rmtree(root, ignore_errors=True)
    include = "--include=python3.11,python3-pip,python3.11-venv,ca-certificates"
    with (folder / "debootstrap.log").open("wb") as log:
        command = ["debootstrap", "--variant=minbase", include, SUITE, str(root), MIRROR]
        subprocess.run(command, check=True, stdout=log, stderr=log)
    _shape(root)
    tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
    change = ["--change", "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"]
    subprocess.run([client(), "-H", host, "import", *change, "-", BASE], stdin=tar.stdout, check=True)
    if tar.wait() != 0:
        raise SystemExit(f"the base in {root} could not be packed")
    shutil.rmtree(root)


def _shape(root: Path) -> None:
    """As the official image is: pip may install, `python` is there. And, here alone, whom this machine trusts."""
    for name in NEEDLESS:
        for path in (root / name).glob("*"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink(missing_ok=True)
    (root / "usr/bin/python").symlink_to("python3")
    if AUTHORITIES.exists():
        shutil.copyfile(AUTHORITIES, root / "etc/ssl/certs/ca-certificates.crt")
    (root / "etc/pip.conf").write_text(f"[global]\ncert = {AUTHORITIES}\n")
    (root / "etc/uv").mkdir()
    (root / "etc/uv/uv.toml").write_text("system-certs = true\n")
