"""Which code and which image made something."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import ratchet


@cache
def code_revision() -> str:
    """The commit (RATCHET_CODE_REVISION in images, git in a checkout, with "+" when files differ), else the version."""
    given = os.environ.get("RATCHET_CODE_REVISION")
    if given:
        return given
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return f"v{ratchet.__version__}"
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return f"v{ratchet.__version__}"
    return head + ("+" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def image_digest() -> str | None:
    """The container image's digest, from RATCHET_IMAGE_DIGEST; None outside of one."""
    return os.environ.get("RATCHET_IMAGE_DIGEST") or None
