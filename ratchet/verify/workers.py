"""Several processes that share a stage's files: RATCHET_WORKERS, default 1.

Each is spawned, opens the store by its address and makes its own tools; this process keeps lease and progress, and adds up.
Files are the same whoever makes them, so the number of workers changes no digest. A worker dies with this process, and a file
that it did not finish is made by the next try.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from multiprocessing.util import Finalize
from typing import Any, TypeVar

import pyarrow as pa

from ratchet.artifacts import Manifest
from ratchet.errors import RatchetError, VerifierError
from ratchet.rounds import Round
from ratchet.stage import StageContext
from ratchet.store import open_store

T = TypeVar("T")
VARIABLE = "RATCHET_WORKERS"
Opening = Callable[[StageContext], AbstractContextManager[Callable[[int], T]]]
"""`opening(context)` opens what the work needs, for as long as the process lives, and gives the work on one file by its
number; a function of a module, so that another process can find it."""


def workers(environment: Mapping[str, str] | None = None) -> int:
    """How many processes a stage may use. Raises RatchetError for what is no number above 0."""
    given = (os.environ if environment is None else environment).get(VARIABLE, "1")
    if not given.isdecimal() or int(given) < 1:
        raise RatchetError(f"{VARIABLE} is {given!r}; it must be a whole number of processes, at least 1.")
    return int(given)


def in_processes(
    context: StageContext, opening: Opening[T], indexes: Sequence[int], count: int
) -> Iterator[tuple[int, T]]:
    """What is made of each index, as it comes; the seconds of the workers' clocks are added to the context's.

    What a worker raises is raised here. Raises VerifierError where a worker was killed. Either way files that are being
    made are finished first, none that waits is begun, and no process is left.
    """
    place = _Place(context.name, context.store.root, context.round, context.parents, context.key)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=spawn, initializer=_begin, initargs=(place, opening)) as pool:
        waiting = {pool.submit(_run, index): index for index in indexes}
        try:
            yield from _as_they_come(context, waiting)
        except BrokenProcessPool as error:
            raise VerifierError(
                f"one of {count} worker processes of {context.name} was killed, perhaps for want of memory. Finished files are "
                f"kept: run the stage again; with a smaller {VARIABLE} it needs less memory."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _as_they_come(context: StageContext, waiting: dict[Future[Any], int]) -> Iterator[tuple[int, Any]]:
    while waiting:
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            made, seconds = future.result()
            for kind, spent in seconds.items():
                context.seconds[kind] = context.seconds.get(kind, 0.0) + spent
            yield waiting.pop(future), made


@dataclass(frozen=True)
class _Place:
    """All of a stage's context that can travel to another process."""

    name: str
    root: str
    round: Round
    parents: Mapping[str, Manifest]
    key: str

    def context(self) -> StageContext:
        return StageContext(self.name, open_store(self.root), self.round, self.parents, self.key)


class _Worker:
    """What a worker works with. Opened by its first file, so that what goes wrong there is raised in the parent."""

    def __init__(self, place: _Place, opening: Opening[Any]) -> None:
        self._place, self._opening = place, opening
        self._work: tuple[StageContext, Callable[[int], Any]] | None = None

    def __call__(self, index: int) -> tuple[Any, dict[str, float]]:
        context, work = self._work = self._work or self._opened()
        made, seconds = work(index), dict(context.seconds)
        context.seconds.clear()
        return made, seconds

    def _opened(self) -> tuple[StageContext, Callable[[int], Any]]:
        context, stack = self._place.context(), ExitStack()
        work = stack.enter_context(self._opening(context))
        Finalize(None, stack.close, exitpriority=1)
        return context, work


_WORKER: list[_Worker] = []


def _begin(place: _Place, opening: Opening[Any]) -> None:
    """In a worker: one core each, Ctrl-C is the parent's to answer, and no life after the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pa.set_cpu_count(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _WORKER[:] = [_Worker(place, opening)]


def _run(index: int) -> tuple[Any, dict[str, float]]:
    return _WORKER[0](index)


def _end_with_parent() -> None:
    """A parent that is killed cannot tell; its end closes this. Without it a worker would wait for work for ever."""
    parent: Any = multiprocessing.parent_process()
    wait_for([parent.sentinel])
    os._exit(1)
