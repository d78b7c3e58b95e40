"""One round of this machine, in a process that `LocalStarter` starts: take the lock, make the record, run the round.

`python -m ratchet.operations.local_round FD` reads its order from stdin and says one word to the descriptor FD.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import TextIO

from ratchet import canonical
from ratchet.errors import Conflict, RatchetError
from ratchet.local_run import LocalRun, run_rounds
from ratchet.loop import new_job
from ratchet.operations.local_starter import BEGUN, BUSY, KNOWN, LocalRecord, Order, open_lock, record_key
from ratchet.store import open_store

TRIES = 20
PAUSE_SECONDS = 0.05


def main() -> int:
    word = int(sys.argv[1])
    order = Order.model_validate_json(sys.stdin.buffer.read())
    # Whoever ends this process ends the round: as an exit, which takes its process group along.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with open_lock(order.folder, order.request.loop) as lock:
        if not _take(lock):
            return _say(word, BUSY)
        if not _claim(order, lock):
            return _say(word, KNOWN)
        _say(word, BEGUN)
        return _run(order)


def _take(lock: TextIO) -> bool:
    """Whether no round works on the loop. Who only looks holds the lock for a moment, so one refusal says nothing yet."""
    for _ in range(TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
            continue
        return True
    return False


def _claim(order: Order, lock: TextIO) -> bool:
    """Whether the request is ours; once it is, no other process begins it, and nobody asks for it again."""
    record = LocalRecord(request=order.request, run=new_job(), host=socket.gethostname(), pid=os.getpid())
    lock.truncate(0)
    lock.write(record.run)
    lock.flush()
    try:
        # The run's name is drawn at random: two processes never write the same bytes.
        open_store(order.settings.root).put_if(
            record_key(order.request), canonical.pretty(record.model_dump(mode="json")), absent=True
        )
    except Conflict:
        return False
    return True


def _say(descriptor: int, word: str) -> int:
    # Whoever asked may have been killed meanwhile: the round goes on, and its record says so to the next who asks.
    with suppress(BrokenPipeError):
        os.write(descriptor, f"{word}\n".encode())
    os.close(descriptor)
    return 0


def _run(order: Order) -> int:
    asked = order.request
    run = LocalRun(
        loop=asked.loop,
        recipe=asked.recipe,
        folder=order.folder / asked.loop,
        environment=order.settings.environment(),
        profile=order.settings.profile,
        seed=asked.seed,
        budget=asked.budget,
        origin=asked.origin,
    )
    try:
        run_rounds(run, 1, resume=asked.resume)
    except RatchetError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
