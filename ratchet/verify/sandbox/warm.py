"""The process that programs are forked from: it has imported what they need, and never sees a program or a drawing.

    python -s -S -P warm.py CONTROL-FD FOLDER...

Each request on the control socket brings a program's standard input and output as open files. The forked process locks itself
in and works with them; this one only waits, kills when it is told to or when the other end closes, and says how it ended.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource  # noqa: F401  (wait4 imports it, which later is too late)
import select
import signal
import socket
import sys
from typing import Any

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), *sys.argv[2:]]

import confine  # type: ignore[import-not-found]  # noqa: E402
import languages  # type: ignore[import-not-found]  # noqa: E402

LARGEST = 65_536
NOT_LOCKED = 20
PROBE = "probe"


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    import pyseccomp  # type: ignore[import-untyped]  # noqa: F401

    languages.warm_up()
    null = os.open(os.devnull, os.O_RDWR)
    gc.disable()
    gc.freeze()
    control.send(json.dumps({"ready": True}).encode())
    while True:
        message, files, _, _ = socket.recv_fds(control, LARGEST, 2)
        if not message:
            return
        request = json.loads(message)
        if "kill" in request:  # it had ended by itself
            continue
        child = os.fork()
        if child == 0:
            _become(request, files, null)
        for one in files:
            os.close(one)
        control.send(json.dumps({"number": request["number"], **_ended(child, control)}).encode())


def _become(request: dict[str, Any], files: list[int], null: int) -> None:
    """The forked process: nothing of this one's is left open when the program's text is read."""
    try:
        confine.die_with_parent()
        os.setsid()
        for place, file in enumerate((*files, null)):
            os.dup2(file, place)
        os.closerange(3, 1 << 20)
        confine.lock(request["language"], request["cpu_seconds"], request["memory_bytes"])
    except BaseException:
        os._exit(NOT_LOCKED)
    if request["language"] == PROBE:
        os.getcwd()  # must not come back
        os._exit(0)
    languages.run(request["language"], request["width"], request["height"], request["max_bytes"])


def _ended(child: int, control: socket.socket) -> dict[str, Any]:
    """Wait for the end of the process; kill it when asked to, or when whoever asks is gone."""
    watch = os.pidfd_open(child)
    try:
        while watch not in (ready := select.select([control.fileno(), watch], [], [])[0]):
            if control.fileno() in ready:
                told = control.recv(LARGEST)
                _kill(child)
                if not told:
                    os._exit(0)
    finally:
        os.close(watch)
    _kill(child)  # what it might have started, before its number is free again
    _, status, used = os.wait4(child, 0)
    return {"status": status, "cpu": used.ru_utime + used.ru_stime}


def _kill(child: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
