"""A time limit around a call: an alarm signal in the main thread, a thread of its own elsewhere.

The alarm costs two system calls and stops the call for good. A thread cannot be stopped: a call that is late is left
behind, and the process may end without it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

_AGAIN_SECONDS = 1.0


class Overtime(BaseException):
    """The call took longer than its limit. No Exception, so that `except Exception` in the call does not swallow it."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """Result of `call()`; raises Overtime when it takes longer than `seconds`, and whatever the call raises."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _by_alarm(seconds, call)
    return _by_thread(seconds, call)


def _by_alarm(seconds: float, call: Callable[[], T]) -> T:
    active = True

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if active:
            raise Overtime(f"not done within {seconds:g} s")

    start = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    # It rings again in case the first Overtime was swallowed.
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
    try:
        return call()
    finally:
        active = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)
        if left > 0:
            # Somebody else's alarm was ticking; it goes on with what it had left.
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 1e-3), interval)


def _by_thread(seconds: float, call: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise Overtime(f"not done within {seconds:g} s")
    if errors:
        raise errors[0]
    return results[0]
