"""The ends of workers' logs, fit to be shown: without what the environment keeps secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

TAIL_LINES = 15
TAIL_BYTES = 64 * 1024
LEAST_SECRET = 6
"""Shorter values are words that may stand in any line."""
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


def redacted(text: str, environment: Mapping[str, str] | None = None) -> str:
    """The text without users and passwords of URLs, nor values of variables whose names speak of keys or secrets."""
    env = os.environ if environment is None else environment
    values = {value for name, value in env.items() if _SECRET.search(name) and len(value) >= LEAST_SECRET}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "***")
    return _USER.sub("***", text)


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, redacted; "" when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - TAIL_BYTES, 0))
            data = file.read()
    except FileNotFoundError:
        return ""
    text = data.decode("utf-8", errors="replace").strip()
    return redacted("\n".join(text.splitlines()[-lines:]))
