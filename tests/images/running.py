"""Containers for the tests, held as Pod Security "restricted" holds a pod."""

from __future__ import annotations

import json
import subprocess

from tests.images.daemon import client

RESTRICTED = (
    "--rm",
    "--read-only",
    "--tmpfs",
    "/tmp:mode=1777,exec",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)
STRANGER = "123456:0"
"""A user that no file in the image knows, as OpenShift gives one."""


def run(image: str, *command: str, user: str = STRANGER, network: str = "none") -> str:
    """What a program in a fresh container prints. AssertionError with its complaint when it fails."""
    words = [client(), "run", *RESTRICTED, f"--user={user}", f"--network={network}", "--entrypoint", command[0], image]
    done = subprocess.run([*words, *command[1:]], capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, f"{image} {' '.join(command)[:200]}: {done.stderr[-3000:]}"
    return done.stdout


def inspect(image: str) -> dict[str, object]:
    (found,) = json.loads(subprocess.check_output([client(), "image", "inspect", image]))
    return dict(found)
