"""What became of a program."""

from __future__ import annotations

import os
import re
import signal
from typing import Literal, NamedTuple

from ratchet.verify.sandbox.languages import MEMORY, RAISED, TOO_LARGE

Reason = Literal["ok", "refused", "timeout", "memory", "too_large", "raised", "crash", "stalled", "killed"]
NOBODYS = frozenset({"stalled", "killed"})
_CODES: dict[int, Reason] = {0: "ok", RAISED: "raised", MEMORY: "memory", TOO_LARGE: "too_large"}
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_SHOWN = 200


class Outcome(NamedTuple):
    """`output` is what it drew, where `reason` is ok; `detail` says more in words."""

    reason: Reason
    output: bytes = b""
    detail: str | None = None

    @property
    def unscored(self) -> bool:
        """Whether it says nothing of the program."""
        return self.reason in NOBODYS


def outcome_of(status: int, cpu: float, cpu_seconds: int, output: bytes) -> Outcome:
    """The end of a process that nobody here killed, from its wait status and the CPU-seconds it used."""
    if os.WIFSIGNALED(status):
        return _by_signal(os.WTERMSIG(status), cpu >= cpu_seconds)
    code = os.WEXITSTATUS(status)
    reason = _CODES.get(code, "crash")
    if reason == "ok":
        return Outcome(reason, output)
    return Outcome(reason, detail=_said(output) if reason == "raised" else f"exit code {code}")


def _by_signal(number: int, used_up: bool) -> Outcome:
    name = signal.Signals(number).name if number in {*signal.Signals} else str(number)
    if number == signal.SIGSYS:
        return Outcome("refused", detail="a system call that is not allowed")
    if number == signal.SIGXCPU or (number == signal.SIGKILL and used_up):
        return Outcome("timeout", detail="CPU time used up")
    return Outcome("killed" if number == signal.SIGKILL else "crash", detail=name)


def _said(output: bytes) -> str:
    """What the program's exception says, without what differs from run to run or cannot be shown."""
    text = _ADDRESS.sub("0x..", output[:_SHOWN].decode(errors="replace"))
    return "".join(c if c.isprintable() else " " for c in text)
