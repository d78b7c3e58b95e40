"""One check by its name, on a context of the test's making: what the tests of preflight share."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

from ratchet.preflight import Answer, Asked, Context, Machine, run_checks
from ratchet.preflight.catalogue import CHECKS
from ratchet.preflight.checking import Check

P = ParamSpec("P")
SMALL = "{name: small, seed: 7, prompts: {pool: 2, validation: 1, holdout: 2, report: 1}, promote: {min_items: 2}}"


ANSWERS: list[Answer] = []
"""What `answered` was told in this test."""


def fails(*names: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Says of a test that these checks fail in it, and makes it prove that. A contract test asks that every check is named so."""

    def mark(test: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(test)
        def proven(*args: P.args, **kwargs: P.kwargs) -> None:
            ANSWERS.clear()
            test(*args, **kwargs)
            told = {one.check for one in ANSWERS if one.result == "fail" and one.fix}
            assert set(names) <= told, f"{set(names) - told} did not fail here"

        return proven

    return mark


def check(name: str) -> Check:
    return next(one for one in CHECKS if one.name == name)


def answered(name: str, asked: Asked | None = None, machine: Machine | None = None, **changes: Any) -> Answer:
    """What the check says, alone, of what the environment and `asked` name."""
    context = Context.gathered(asked or Asked(), machine)
    for key, value in changes.items():
        object.__setattr__(context, key, value)
    (answer,) = run_checks([check(name)], context, changes.get("seconds"))
    ANSWERS.append(answer)
    return answer


def certificate(folder: Path, days: int = 1) -> Path:
    """A self-signed certificate of 127.0.0.1 in `cert.pem`, its key in `key.pem`."""
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), *files, *names]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ})
    return folder / "cert.pem"
