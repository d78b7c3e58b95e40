"""The sandbox from outside: a warm process is started once, and every program runs in a fork of it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ratchet.errors import VerifierUnavailable
from ratchet.verify.sandbox.outcome import Outcome, outcome_of

LANGUAGES = ("python", "svg")
_SCRIPT = Path(__file__).with_name("warm.py")
_NEEDED = ("pyseccomp", "resvg_py")
_START_SECONDS = 60.0
_GRACE_SECONDS = 5.0
_CHUNK = 65_536
_ANYWHERE = "Programs are never run without it: run the stage on Linux (the image), or let models draw in `words`, which need none."


@dataclass(frozen=True)
class Limits:
    """What one program may use. No call that waits is allowed, so `wall_seconds` ends only what a busy machine starves."""

    cpu_seconds: int = 2
    wall_seconds: float = 30.0
    memory_bytes: int = 256 << 20
    output_bytes: int = 1 << 20


class Sandbox:
    """Runs programs one after the other, for one thread. Started when it is first asked; whoever opens it closes it.

    Raises VerifierUnavailable where this machine cannot lock a program in, which is tried before the first one is run.
    """

    _warm: _Warm | None = None

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits

    def run(self, language: str, program: str, width: int, height: int) -> Outcome:
        """Run a program that draws on width x height pixels."""
        if self._warm is None:
            self._warm = _Warm(self.limits)
        try:
            return self._warm.run(language, program, width, height)
        except _Lost as lost:
            self.close()
            return Outcome("killed", detail=str(lost))
        except BaseException:
            self.close()  # an interrupted run would leave its answer for the next one
            raise

    def close(self) -> None:
        """Stop the warm process, and a program that runs."""
        if self._warm is not None:
            self._warm.stop()
            self._warm = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class _Lost(Exception):
    """The warm process does not answer."""


class _Warm:
    """One warm process and the socket to it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._number = 0
        folders = _folders()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as said:
            try:
                self._process = _spawn(theirs, said, folders)
            except OSError as error:
                self.control.close()
                raise VerifierUnavailable(f"the sandbox for programs does not start: {error}. {_ANYWHERE}") from error
            theirs.close()
            self._check(said)

    def _check(self, said: Any) -> None:
        """Raises VerifierUnavailable unless a forbidden call really kills a process here."""
        try:
            self._answer(time.monotonic() + _START_SECONDS)
            outcome = self._exchange("probe", b"", 1, 1)
        except _Lost as lost:
            self.stop()
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-1:] or [str(lost)]
            raise VerifierUnavailable(
                f"the sandbox for programs does not start ({last[0][:300]}); libseccomp (Debian: libseccomp2) and pyseccomp are "
                f"needed. {_ANYWHERE}"
            ) from None
        if outcome.reason != "refused":
            self.stop()
            raise VerifierUnavailable(
                f"the sandbox for programs cannot lock them in: a forbidden system call ended with {outcome.reason} "
                f"({outcome.detail}); seccomp filters must be allowed for processes of this user. {_ANYWHERE}"
            )

    def run(self, language: str, program: str, width: int, height: int) -> Outcome:
        if language not in LANGUAGES:
            raise VerifierUnavailable(f"no language {language!r} in the sandbox; there are: {', '.join(LANGUAGES)}.")
        return self._exchange(language, program.encode(errors="replace"), width, height)

    def stop(self) -> None:
        self.control.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def _exchange(self, language: str, program: bytes, width: int, height: int) -> Outcome:
        """Send a program with the two ends it may use, feed and read it, and wait for its end."""
        self._number += 1
        (theirs_in, ours_in), (ours_out, theirs_out) = os.pipe(), os.pipe()
        request = {"number": self._number, "language": language, "width": width, "height": height}
        request |= {"cpu_seconds": self._limits.cpu_seconds, "memory_bytes": self._limits.memory_bytes}
        request["max_bytes"] = self._limits.output_bytes
        try:
            socket.send_fds(self.control, [json.dumps(request).encode()], [theirs_in, theirs_out])
        except OSError as error:
            os.close(ours_in)
            os.close(ours_out)
            raise _Lost(f"the process that starts programs is gone: {error}") from error
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        return _Conversation(self, program, ours_in, ours_out, self._limits).outcome()

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self.control.send(json.dumps({"kill": self._number}).encode())

    def _answer(self, until: float) -> dict[str, Any]:
        """The next message. Raises _Lost."""
        self.control.settimeout(max(until - time.monotonic(), 0.001))
        return self.receive()

    def receive(self) -> dict[str, Any]:
        try:
            message = self.control.recv(_CHUNK)
        except OSError as error:
            raise _Lost(f"the process that starts programs does not answer: {error}") from error
        if not message:
            raise _Lost("the process that starts programs has ended")
        found: dict[str, Any] = json.loads(message)
        return found


class _Conversation:
    """One program: its text goes in, its drawing comes out, and what goes wrong meanwhile ends it."""

    def __init__(self, warm: _Warm, program: bytes, into: int, out: int, limits: Limits) -> None:
        self._warm, self._limits = warm, limits
        self._left, self._into, self._out = memoryview(program), into, out
        self._output = bytearray()
        self._killed: Outcome | None = None
        self._until = time.monotonic() + limits.wall_seconds
        self._selector = selectors.DefaultSelector()

    def outcome(self) -> Outcome:
        for file in (self._into, self._out):
            os.set_blocking(file, False)
        self._selector.register(self._warm.control, selectors.EVENT_READ)
        self._selector.register(self._into, selectors.EVENT_WRITE)
        self._selector.register(self._out, selectors.EVENT_READ)
        try:
            ended = self._until_ended()
            while self._out >= 0 and self._read():  # the pipe still holds what it wrote last
                pass
        finally:
            self._drop(self._into)
            self._drop(self._out)
            self._selector.close()
        if self._killed is not None:
            return self._killed
        return outcome_of(ended["status"], ended["cpu"], self._limits.cpu_seconds, bytes(self._output))

    def _until_ended(self) -> dict[str, Any]:
        while True:
            for key, _ in self._selector.select(max(self._until - time.monotonic(), 0)):
                if key.fileobj is self._warm.control:
                    return self._warm.receive()
                if key.fd == self._into:
                    self._write()
                elif key.fd == self._out:
                    self._read()
            if time.monotonic() >= self._until:
                self._late()

    def _write(self) -> None:
        try:
            self._left = self._left[os.write(self._into, self._left[:_CHUNK]) :]
        except BrokenPipeError:  # it ended without reading
            self._left = self._left[:0]
        if not self._left:
            self._drop(self._into)

    def _read(self) -> bool:
        """Whether there was something."""
        try:
            part = os.read(self._out, _CHUNK)
        except BlockingIOError:
            return False
        if not part:
            self._drop(self._out)
            return False
        if len(self._output) <= self._limits.output_bytes:
            self._output += part
        if len(self._output) > self._limits.output_bytes and self._killed is None:
            self._end(Outcome("too_large", detail=f"more than {self._limits.output_bytes} bytes"))
        return True

    def _late(self) -> None:
        if self._killed is not None and self._killed.reason == "stalled":
            raise _Lost("a program could not be killed")
        self._end(Outcome("stalled", detail=f"not ended after {self._limits.wall_seconds:g} s, within its CPU time"))

    def _end(self, outcome: Outcome) -> None:
        self._killed = outcome
        self._warm.kill()
        self._until = time.monotonic() + _GRACE_SECONDS

    def _drop(self, file: int) -> None:
        if file < 0 or file not in (self._into, self._out):
            return
        with contextlib.suppress(KeyError):
            self._selector.unregister(file)
        os.close(file)
        if file == self._into:
            self._into = -1
        else:
            self._out = -1


def _spawn(control: socket.socket, said: Any, folders: list[str]) -> subprocess.Popen[bytes]:
    """Start the warm process: no environment but a fixed hash seed, so that a program draws the same every time."""
    return subprocess.Popen(
        [sys.executable, "-s", "-S", "-P", str(_SCRIPT), str(control.fileno()), *folders],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=said,
        pass_fds=[control.fileno()],
        env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        start_new_session=True,
    )


def _folders() -> list[str]:
    """Where the libraries of the locked processes lie. Raises VerifierUnavailable."""
    if not sys.platform.startswith("linux"):
        raise VerifierUnavailable(
            f"programs run only where Linux can lock them in, and this is {sys.platform}. {_ANYWHERE}"
        )
    found = []
    for name in _NEEDED:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise VerifierUnavailable(f"{name} is not installed, which the sandbox for programs needs. {_ANYWHERE}")
        place = Path(spec.origin)
        found.append(str(place.parent.parent if place.name == "__init__.py" else place.parent))
    return list(dict.fromkeys(found))
