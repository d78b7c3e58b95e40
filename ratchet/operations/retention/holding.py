"""Holding loops while their rows change: no round of theirs runs meanwhile, nor begins."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial

from ratchet import rounds
from ratchet.errors import LeaseHeld
from ratchet.registry import lease as leases
from ratchet.stage import lease_seconds
from ratchet.store import Store


class Holding:
    """Leases of loops for one picture, renewed until the block ends. Run again after a kill, the same picture's are its own."""

    def __init__(self, store: Store, sha256: str) -> None:
        self._store, self._holder = store, f"forget-{sha256[:12]}"
        self._held: dict[str, leases.Lease] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Holding:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, loops: Iterable[str]) -> None:
        """Take these loops too. Raises LeaseHeld while a run works on one of them."""
        for loop in sorted(set(loops) - self._held.keys()):
            place, seconds = self._store.sub(rounds.loop_prefix(loop)), lease_seconds()
            try:
                held = leases.acquire(place, self._holder, seconds, holder_ended=partial(self._has_ended, loop))
            except LeaseHeld as error:
                state = leases.read(place)
                raise LeaseHeld(
                    f"run {state.holder if state else '?'} works on loop {loop}, which has the picture. Wait for its end, or stop "
                    f"it with `ratchet cancel --loop {loop}`; then forget again."
                ) from error
            self._held[loop] = held
            self._stack.callback(held.release)
            self._stack.enter_context(leases.renewing(held, seconds / 3))

    def check(self) -> None:
        """Raises LeaseLost where another took a loop over."""
        for held in self._held.values():
            held.check()

    def _has_ended(self, loop: str, run: str) -> bool:
        ticket = rounds.read_run(self._store, loop, run)
        return ticket is not None and rounds.read_end(self._store, loop, ticket.number) is not None
