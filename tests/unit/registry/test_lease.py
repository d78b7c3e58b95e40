"""One holder of a loop at a time, on a folder and on a real S3."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from ratchet.errors import LeaseError, LeaseHeld, LeaseLost, StoreUnavailable
from ratchet.registry.lease import Lease, acquire, beat, free, read, renewing, store_clock
from ratchet.store import FolderStore, Stat, Store, open_store


@pytest.fixture
def store(store_root: str) -> Store:
    return open_store(store_root).sub("loops/a")


def later(seconds: float):  # type: ignore[no-untyped-def]
    """The store's clock, moved on."""
    return lambda store: store_clock(store) + timedelta(seconds=seconds)


def test_the_first_holder_gets_epoch_one(store: Store) -> None:
    assert read(store) is None
    lease = acquire(store, "run-1", 60)
    state = read(store)
    assert state is not None
    assert (lease.epoch, state.epoch, state.holder, state.released) == (1, 1, "run-1", False)
    assert state.until - state.renewed == timedelta(seconds=60)
    lease.check()


def test_another_run_is_told_who_holds_it_since_when_and_until_when(store: Store) -> None:
    acquire(store, "run-1", 60)
    state = read(store)
    assert state is not None
    with pytest.raises(LeaseHeld) as caught:
        acquire(store, "run-2", 60)
    for words in (
        "'run-1'",
        "epoch 1",
        f"since {state.taken:%Y-%m-%d %H:%M:%S}",
        f"until {state.until:%Y-%m-%d %H:%M:%S}",
    ):
        assert words in str(caught.value)


def test_a_retried_begin_keeps_its_epoch(store: Store) -> None:
    acquire(store, "run-1", 60)
    assert acquire(store, "run-1", 60).epoch == 1


def test_a_lease_is_taken_over_after_its_time(store: Store) -> None:
    first = acquire(store, "run-1", 60)
    with pytest.raises(LeaseHeld):
        acquire(store, "run-2", 60, now=later(58))
    second = acquire(store, "run-2", 60, now=later(62))
    assert second.epoch == 2
    with pytest.raises(LeaseLost, match=r"held by 'run-2' with epoch 2; this run, 'run-1' with epoch 1"):
        first.check()
    with pytest.raises(LeaseLost):
        first.renew()
    second.check()


def test_a_lease_is_taken_over_when_its_run_has_ended(store: Store) -> None:
    acquire(store, "run-1", 60)
    with pytest.raises(LeaseHeld):
        acquire(store, "run-2", 60, holder_ended=lambda holder: holder != "run-1")
    assert acquire(store, "run-2", 60, holder_ended=lambda holder: holder == "run-1").epoch == 2


def test_a_pod_that_waits_for_a_place_costs_its_run_nothing(store: Store) -> None:
    """Nobody renews between two tasks: a cluster's lease outlasts the wait."""
    first = acquire(store, "run-1", 6 * 3600)
    with pytest.raises(LeaseHeld, match=r"`ratchet stop --loop a`.*`ratchet janitor --apply --loop a`"):
        acquire(store, "run-2", 6 * 3600, now=later(5 * 3600))
    first.check()
    assert (beat(6 * 3600), beat(60), beat(0.3)) == (20.0, 20.0, pytest.approx(0.1))


def test_a_run_that_has_ended_is_freed_and_fenced_off_however_long_its_lease(store: Store) -> None:
    first = acquire(store, "run-1", 6 * 3600)
    free(store, "another")
    first.check()
    free(store, "run-1")
    free(store, "run-1")
    with pytest.raises(LeaseLost):
        first.check()
    assert acquire(store, "run-2", 60).epoch == 3


def test_a_released_lease_is_free_at_once(store: Store) -> None:
    lease = acquire(store, "run-1", 60)
    lease.release()
    lease.release()
    assert acquire(store, "run-2", 60).epoch == 2
    lease.release()
    state = read(store)
    assert state is not None
    assert (state.holder, state.released) == ("run-2", False)


def test_a_renewal_under_way_does_not_undo_a_release(store: Store) -> None:
    lease = acquire(store, "run-1", 60)
    Lease(store, "run-1", 1, 60).release()
    with pytest.raises(LeaseLost, match="was released"):
        lease.renew()
    assert acquire(store, "run-1", 60).epoch == 1


def test_an_epoch_never_comes_back_to_an_old_holder(store: Store) -> None:
    first = acquire(store, "run-1", 60)
    acquire(store, "run-2", 60, holder_ended=lambda holder: True)
    third = acquire(store, "run-1", 60, holder_ended=lambda holder: True)
    assert third.epoch == 3
    with pytest.raises(LeaseLost):
        first.check()


def test_each_stage_of_a_run_renews_the_same_lease(store: Store) -> None:
    acquire(store, "run-1", 60)
    stages = [Lease(store, "run-1", 1, 60) for _ in range(2)]
    for _ in range(2):
        for stage in stages:
            stage.renew()
            stage.check()


def test_the_clocks_of_the_machines_do_not_matter(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    acquire(store, "run-1", 60)

    class Skewed(datetime):
        @classmethod
        def now(cls, tz=None):  # type: ignore[no-untyped-def]
            return datetime(2001, 1, 1, tzinfo=tz)

    monkeypatch.setattr("ratchet.registry.lease.datetime", Skewed)
    with pytest.raises(LeaseHeld):
        acquire(store, "run-2", 60)
    assert acquire(store, "run-2", 60, now=later(62)).epoch == 2
    with pytest.raises(LeaseHeld):
        acquire(store, "run-3", 60, now=later(50))


def test_renewing_keeps_the_lease_while_the_block_runs(store: Store) -> None:
    lease = acquire(store, "run-1", 1.0)
    before = read(store)
    assert before is not None
    with renewing(lease, every=0.2):
        deadline = time.monotonic() + 120
        while (state := read(store)) is None or state.renewed - before.renewed < timedelta(seconds=1.5):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    lease.check()
    ended = read(store)
    time.sleep(0.5)
    assert read(store) == ended


def test_a_loss_in_the_background_surfaces_at_check(store: Store) -> None:
    lease = acquire(store, "run-1", 60)
    with renewing(lease, every=0.1):
        acquire(store, "run-2", 60, holder_ended=lambda holder: True)
        deadline = time.monotonic() + 120
        while lease._lost is None:
            assert time.monotonic() < deadline, "the loss was not noticed"
            time.sleep(0.01)
        store.delete("lease.json")
        with pytest.raises(LeaseLost, match="'run-2' with epoch 2"):
            lease.check()


def test_renewing_outlives_a_store_that_does_not_answer(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    lease = acquire(FolderStore(tmp_path), "run-1", 60)
    failures = iter(range(3))
    original = FolderStore.stat

    def stat(self: FolderStore, key: str) -> Stat | None:
        if next(failures, None) is not None:
            raise StoreUnavailable("gone for a moment")
        return original(self, key)

    before = read(lease.store)
    assert before is not None
    monkeypatch.setattr(FolderStore, "stat", stat)
    # Not through the store: a look of ours would take one of the failures.
    place, deadline = tmp_path / "lease.json", time.monotonic() + 120
    with renewing(lease, every=0.02):
        while place.stat().st_mtime <= before.renewed.timestamp():
            assert time.monotonic() < deadline, "it was not renewed again"
            time.sleep(0.01)
    after = read(lease.store)
    assert after is not None
    assert after.renewed > before.renewed
    assert next(failures, None) is None


def test_what_is_not_a_lease_is_refused(store: Store) -> None:
    store.put("lease.json", b"[]")
    with pytest.raises(LeaseError, match="is not a lease"):
        acquire(store, "run-1", 60)


def _race(root: str, name: str, barrier, results) -> None:  # type: ignore[no-untyped-def]
    store = open_store(root)
    store.exists("start")
    won = []
    for turn in range(6):
        place = store.sub(f"loop-{turn}")
        barrier.wait()
        for taken_over in (False, True):
            # Second time round every racer believes that the holder has ended, unless it is a racer of this turn.
            ended = (lambda holder: holder == "dead") if taken_over else None
            barrier.wait()
            with suppress(LeaseHeld):
                won.append((turn, taken_over, acquire(place, name, 60, holder_ended=ended).epoch))
            barrier.wait()
            if not taken_over and name == "racer-0":
                acquire(place, "dead", 60, holder_ended=lambda holder: True)
            barrier.wait()
    results.put((name, won))


def test_of_racing_runs_exactly_one_wins(store_root: str) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    racers = [context.Process(target=_race, args=(store_root, f"racer-{n}", barrier, results)) for n in range(3)]
    for racer in racers:
        racer.start()
    won = [win for _ in racers for win in results.get(timeout=240)[1]]
    for racer in racers:
        racer.join()
    assert sorted(won) == [(turn, taken, 3 if taken else 1) for turn in range(6) for taken in (False, True)]


def test_times_are_shown_in_utc(store: Store) -> None:
    acquire(store, "run-1", 60)
    state = read(store)
    assert state is not None
    assert state.taken.tzinfo == UTC
    assert abs(state.taken - state.renewed) < timedelta(seconds=5)
