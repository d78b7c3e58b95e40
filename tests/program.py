"""The program `ratchet`, started in this process as a shell starts it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from ratchet.cli import app as cli

Ratchet = Callable[..., tuple[int, str, str]]


def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *before: str) -> Ratchet:
    """Takes arguments, which follow those in `before`; gives exit code, output, and errors in one line."""
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ratchet", *before, *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), out, " ".join(err.split())

    return run
