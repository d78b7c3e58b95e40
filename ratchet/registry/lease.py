"""The loop's lease: one round at a time, with an epoch that fences off whoever lost it.

The lease is one object, `lease.json`, changed only by conditional puts. Its epoch grows with every change of holder, so
whatever carries an older epoch is stale. Time is compared on one clock only, the store's: the object's own `modified` and
the store's time now, which a new holder reads by writing a small object. Clocks of the machines may differ as they like.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ratchet import canonical
from ratchet.errors import Conflict, LeaseError, LeaseHeld, LeaseLost, NotFound, StoreError
from ratchet.store import Stat, Store

KEY = "lease.json"
CLOCK_KEY = "lease.clock"
# S3 gives times in whole seconds: only this much later is a lease surely over.
CLOCK_GRAIN = timedelta(seconds=1)
TRIES = 20
JOIN_SECONDS = 5.0
LONGEST_BEAT = 20.0
"""However long a lease lasts, its holder renews it at least so often: it then also learns so soon that it was stopped."""


@dataclass(frozen=True, slots=True)
class LeaseState:
    """What the store says about a lease. `taken` by the holder's clock, for people; `renewed` by the store's."""

    epoch: int
    holder: str
    seconds: float
    released: bool
    taken: datetime
    renewed: datetime
    etag: str

    @property
    def until(self) -> datetime:
        """When it may be taken over, by the store's clock."""
        return self.renewed + timedelta(seconds=self.seconds)


class Lease:
    """A holder's right to a loop. May be made anywhere from holder and epoch: each stage of a run makes its own."""

    def __init__(self, store: Store, holder: str, epoch: int, seconds: float) -> None:
        self.store = store
        self.holder = holder
        self.epoch = epoch
        self.seconds = seconds
        self._lost: LeaseLost | None = None

    def __repr__(self) -> str:
        return f"Lease({self.store.uri(KEY)!r}, holder={self.holder!r}, epoch={self.epoch})"

    def renew(self) -> None:
        """Hold on for another `seconds`. Raises LeaseLost, also after a release; StoreUnavailable when nobody can tell."""
        self._rewrite(released=False)

    def check(self) -> None:
        """Raises LeaseLost, with both epochs, when the loop belongs to somebody else by now."""
        self._own(read(self.store))

    def release(self) -> None:
        """Let the next run in at once. Quiet when the lease was lost before."""
        try:
            self._rewrite(released=True)
        except LeaseLost:
            return

    def _rewrite(self, *, released: bool) -> None:
        for _ in range(TRIES):
            state = self._own(read(self.store))
            if state.released:
                if released:
                    return
                # Else a renewal that is still under way would undo the release.
                raise LeaseLost(f"{self.store.uri(KEY)} was released by {self.holder!r}: acquire it again to go on")
            try:
                _write(self.store, self.holder, self.epoch, self.seconds, state.taken, released, state.etag)
            except Conflict:  # a stage of the same run renewed meanwhile, or it is lost: the next read tells
                continue
            return
        raise LeaseError(
            f"{self.store.uri(KEY)} changes too fast to be renewed: is {self.holder!r} started many times?"
        )

    def _own(self, state: LeaseState | None) -> LeaseState:
        if self._lost is None and (state is None or (state.epoch, state.holder) != (self.epoch, self.holder)):
            now = f"is held by {state.holder!r} with epoch {state.epoch}" if state else "is gone"
            self._lost = LeaseLost(
                f"{self.store.uri(KEY)} {now}; this run, {self.holder!r} with epoch {self.epoch}, no longer owns the loop: "
                "it must stop, and what it writes is refused. Start a new run"
            )
        if self._lost is not None or state is None:
            raise self._lost or LeaseLost(f"{self.store.uri(KEY)} is gone")
        return state


def beat(seconds: float) -> float:
    """Seconds between two renewals of a lease that lasts `seconds`."""
    return min(seconds / 3, LONGEST_BEAT)


def free(store: Store, holder: str) -> None:
    """Release the lease if `holder`, whose run has ended, still has it, and fence off what is left of that run."""
    for _ in range(TRIES):
        state = read(store)
        if state is None or state.holder != holder or state.released:
            return
        with suppress(Conflict):  # what is left of the run renewed it meanwhile
            _write(store, holder, state.epoch + 1, state.seconds, state.taken, True, state.etag)
            return


def store_clock(store: Store) -> datetime:
    """The store's time now: the stamp that a new object gets."""
    return store.put(CLOCK_KEY, uuid.uuid4().hex.encode()).modified


def read(store: Store) -> LeaseState | None:
    """The lease as it stands, or None before the first. `store` is the loop's place, `<root>/loops/<loop>`."""
    while True:
        found = store.stat(KEY)
        if found is None:
            return None
        try:
            state = _parse(store.get(KEY), found, store)
        except NotFound:
            continue
        # Replaced between both requests: the stamp would belong to another content.
        again = store.stat(KEY)
        if again is not None and again.etag == found.etag:
            return state


def acquire(
    store: Store,
    holder: str,
    seconds: float,
    *,
    now: Callable[[Store], datetime] = store_clock,
    holder_ended: Callable[[str], bool] | None = None,
) -> Lease:
    """Take the loop at `store` for `holder`, a run, for `seconds` without renewal.

    The same holder gets its own lease again with the same epoch. Another's is taken over, with the next epoch, when it
    was released, when its time is over by `now`, or when `holder_ended(its holder)` is true. Else raises LeaseHeld. Of
    several that try at once one wins; the others see its lease.
    """
    for _ in range(TRIES):
        state = read(store)
        if state is None:
            epoch, taken, etag = 1, datetime.now(UTC), None
        elif state.holder == holder:
            epoch, taken, etag = state.epoch, state.taken, state.etag
        else:
            _refuse_held(store, state, now, holder_ended)
            epoch, taken, etag = state.epoch + 1, datetime.now(UTC), state.etag
        try:
            _write(store, holder, epoch, seconds, taken, False, etag)
        except Conflict:
            continue
        return Lease(store, holder, epoch, seconds)
    raise LeaseError(
        f"{store.uri(KEY)} changes too fast to be taken by {holder!r}: too many runs begin at once; try again"
    )


@contextmanager
def renewing(lease: Lease, every: float) -> Iterator[Lease]:
    """Renew in the background every `every` seconds while the block runs; `check()` then tells of a loss at once.

    A store that does not answer is asked again until it does: whether the lease is lost only the store can say.
    """
    ended = threading.Event()

    def loop() -> None:
        while not ended.wait(every):
            try:
                lease.renew()
            except LeaseLost:
                return  # kept in the lease
            except (StoreError, LeaseError):
                continue

    thread = threading.Thread(target=loop, name=f"lease {lease.holder}", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        ended.set()
        thread.join(timeout=JOIN_SECONDS)


def _refuse_held(
    store: Store, state: LeaseState, now: Callable[[Store], datetime], holder_ended: Callable[[str], bool] | None
) -> None:
    if state.released or (holder_ended is not None and holder_ended(state.holder)):
        return
    if now(store) >= state.until + CLOCK_GRAIN:
        return
    loop = store.root.rsplit("/", 1)[-1]
    raise LeaseHeld(
        f"{store.uri(KEY)} is held by {state.holder!r} (epoch {state.epoch}) since {_shown(state.taken)} until "
        f"{_shown(state.until)} unless renewed. Wait for that run. If it is gone or not wanted, end it with `ratchet stop --loop {loop}` (a round of this "
        f"machine: `ratchet cancel --loop {loop}`); once the lease is over, `ratchet janitor --apply --loop {loop}` closes what it left"
    )


def _write(
    store: Store, holder: str, epoch: int, seconds: float, taken: datetime, released: bool, etag: str | None
) -> None:
    content = {
        "epoch": epoch,
        "holder": holder,
        "released": released,
        "seconds": seconds,
        "taken": taken.timestamp(),
        # Two writers of the same lease must never write the same bytes: see Store.put_if.
        "token": uuid.uuid4().hex,
    }
    store.put_if(KEY, canonical.dumps(content), absent=etag is None, etag=etag)


def _parse(data: bytes, stat: Stat, store: Store) -> LeaseState:
    try:
        content = canonical.loads(data)
        return LeaseState(
            epoch=int(content["epoch"]),
            holder=str(content["holder"]),
            seconds=float(content["seconds"]),
            released=bool(content["released"]),
            taken=datetime.fromtimestamp(content["taken"], UTC),
            renewed=stat.modified,
            etag=stat.etag,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise LeaseError(
            f"{store.uri(KEY)} is not a lease ({error}): another program wrote there; remove it"
        ) from error


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
