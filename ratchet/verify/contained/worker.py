"""A persistent process that answers requests, killed and started anew when one of them hangs, crashes or swells."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from ratchet.errors import VerifierUnavailable

TIMEOUT, MEMORY, CRASH = "timeout", "memory", "crash"
START_SECONDS = 120.0
_WALL_FACTOR, _WALL_EXTRA = 20.0, 30.0
"""By the clock a request may take so many times its CPU seconds, and so much more: a busy machine is nobody's fault."""
_CHILD = Path(__file__).with_name("child.py")
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG")


class Stopped(Exception):
    """The request was not answered. `reason` is "timeout", "memory" or "crash"."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class Worker:
    """Answers requests of one task, one at a time, each in at most `seconds` of CPU time.

    Whatever ends the process ends one request alone. Memory is what a fresh process may add to what it has: a request that
    finds too little in a used one is asked again of a fresh one, so that what it gets does not depend on others before it.
    """

    def __init__(self, task: str, seconds: float, memory_mib: int) -> None:
        self.task, self.seconds, self.memory_mib = task, seconds, memory_mib
        self._process: subprocess.Popen[bytes] | None = None
        self._parents: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._used = False
        self._lock = threading.Lock()

    def ask(self, request: Any) -> Any:
        """What the task replies. Raises Stopped where there is no reply, VerifierUnavailable where no process starts."""
        with self._lock:
            was_used = self._used and self._process is not None and self._owner == os.getpid()
            try:
                return self._ask(request)
            except Stopped as stopped:
                if not (stopped.reason == MEMORY and was_used):
                    raise
                return self._ask(request)
            except BaseException:
                # Somebody else's time limit, for one: the reply that is still to come is nobody's.
                self.close()
                raise

    @property
    def pid(self) -> int | None:
        """The process that answers; None before the first request."""
        return self._process.pid if self._process is not None and self._owner == os.getpid() else None

    def close(self) -> None:
        """End the process; a later request starts another."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, request: Any) -> Any:
        if self._process is None or self._owner != os.getpid():
            self._start()
        self._used = True
        self._send(json.dumps(request).encode())
        reply = self._receive(self.seconds * _WALL_FACTOR + _WALL_EXTRA)
        if "error" not in reply:
            return reply["ok"]
        if reply.get("memory"):
            self.close()
            raise Stopped(MEMORY, f"more than {self.memory_mib} MiB")
        raise Stopped(CRASH, reply["error"])

    def _start(self) -> None:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # One order of sets in every process: the same answer has the same verdict.
        environment |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        # Answers to one prompt are much alike: what sympy found out about one helps with the next.
        environment["SYMPY_CACHE_SIZE"] = "20000"
        command = [sys.executable, "-P", str(_CHILD), self.task, str(self.seconds), str(self.memory_mib)]
        pipe = subprocess.PIPE
        self._parents = self._process  # after a fork it is the parent's, to end and to wait for
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment, cwd="/", bufsize=0
        )
        self._owner, self._used = os.getpid(), False
        try:
            self._receive(START_SECONDS)
        except Stopped as stopped:
            raise VerifierUnavailable(
                f"the process for task {self.task} did not start ({stopped}); is everything of requirements/ installed?"
            ) from stopped

    def _send(self, body: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            rest = memoryview(struct.pack(">I", len(body)) + body)
            while rest:
                rest = rest[os.write(self._process.stdin.fileno(), rest) :]
        except BrokenPipeError:
            self._stopped()

    def _receive(self, seconds: float) -> dict[str, Any]:
        """The one reply that is to come: nothing follows it, so what the pipe holds is read at once."""
        deadline = time.monotonic() + seconds
        got = self._piece(deadline)
        while len(got) < 4 or len(got) < 4 + struct.unpack(">I", got[:4])[0]:
            got += self._piece(deadline)
        reply: dict[str, Any] = json.loads(got[4:])
        return reply

    def _piece(self, deadline: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            self.close()
            raise Stopped(TIMEOUT, f"not done within {self.seconds:g} s of CPU time, nor long after by the clock")
        piece = os.read(pipe, 1 << 16)
        if not piece:
            self._stopped()
        return piece

    def _stopped(self) -> None:
        """Raise what ended the process."""
        assert self._process is not None
        code = self._process.wait()
        self.close()
        if code == -signal.SIGPROF:
            raise Stopped(TIMEOUT, f"not done within {self.seconds:g} s of CPU time")
        raise Stopped(CRASH, f"the process of {self.task} ended with {code}")


@lru_cache(maxsize=32)
def worker(task: str, seconds: float, memory_mib: int) -> Worker:
    """The worker of this process for that task and those limits; its process starts when it is first asked."""
    made = Worker(task, seconds, memory_mib)
    atexit.register(made.close)
    return made
