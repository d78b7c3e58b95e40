"""begin and finish that die before any of their writes: done again, they come to the same, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ratchet import rounds
from ratchet.finish import finish
from ratchet.operations.policy import LoopPolicy, StopRules, read_stopped, write_policy
from ratchet.registry import lease, tracking
from ratchet.registry.store_registry import StoreRegistry
from ratchet.store import Store, open_store
from ratchet.store.folder import FolderStore
from tests.unit.loops import LOOP, RECIPE, leave_all, new_loop, opened

MOST = 80


class Killed(BaseException):
    """As SIGKILL: nothing that would handle an error sees it."""


def dying_at(monkeypatch: pytest.MonkeyPatch, number: int, work: Callable[[], Any]) -> bool:
    """Whether `work` came to its write number `number`, and died before it."""
    writes = 0

    def counted(usual: Callable[..., Any]) -> Callable[..., Any]:
        def write(*given: Any, **named: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes >= number:
                raise Killed
            return usual(*given, **named)

        return write

    with monkeypatch.context() as patched:
        patched.setattr("ratchet.begin.stage.lease.renewing", _held)
        # What it writes to see that it can is no state, and is done in threads that could not die for it.
        patched.setattr("ratchet.begin.stage.before_round", lambda *_: None)
        for name in ("_write", "delete"):
            patched.setattr(FolderStore, name, counted(getattr(FolderStore, name)))
        try:
            work()
        except Killed:
            return True
    return False


class _held:
    """No thread that renews: it would die as well."""

    def __init__(self, held: lease.Lease, every: float) -> None:
        self.held = held

    def __enter__(self) -> lease.Lease:
        return self.held

    def __exit__(self, *_: object) -> None:
        return None


def run_of(store: Store, number: int = 1) -> dict[str, Any]:
    known = tracking.read(store, LOOP, number)
    assert known is not None
    return StoreRegistry(store).run(known.run)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_finish_that_dies_at_any_moment_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratchet.report.writing.write_pages", lambda *_: None)
    for number in range(1, MOST):
        settings = new_loop(tmp_path / str(number))
        store = open_store(settings.root)
        write_policy(store, LOOP, LoopPolicy(recipe=RECIPE, stop=StopRules(rounds=1)))
        ticket = opened(settings)
        leave_all(store, ticket, "REFUSED")
        store.put(f"{rounds.round_prefix(LOOP, 1)}/train-old/checkpoints/step-00000001.json", b"{}")
        died = dying_at(monkeypatch, number, lambda s=settings: finish("job-1", LOOP, s))
        end = finish("job-1", LOOP, settings)
        assert (end.state, end) == ("REFUSED", rounds.read_end(store, LOOP, 1))
        assert run_of(store)["state"] == "FINISHED"
        assert run_of(store)["tags"][tracking.STATE] == "REFUSED"
        held = lease.read(store.sub(rounds.loop_prefix(LOOP)))
        assert held is not None
        assert held.released
        assert read_stopped(store, LOOP) is not None
        assert not list(store.list(f"{rounds.round_prefix(LOOP, 1)}/train-old/"))
        if not died:
            assert number > 5
            return
    raise AssertionError(f"finish made more than {MOST} writes")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_begin_that_dies_at_any_moment_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, MOST):
        settings = new_loop(tmp_path / str(number))
        store = open_store(settings.root)
        died = dying_at(monkeypatch, number, lambda s=settings: opened(s))
        # What finish says of the death: the round if there is one, else that begin did not come so far.
        known = rounds.read_run(store, LOOP, "job-1")
        if known is None:
            reason = finish("job-1", LOOP, settings).reason
            assert reason == "run job-1 opened no round: begin was killed, or never started; its log says more"
        ticket = opened(settings)
        assert (ticket.number, rounds.numbers(store, LOOP)) == (1, [1])
        assert [one.round for one in StoreRegistry(store).running(LOOP)] == [1]
        assert run_of(store)["state"] == "RUNNING"
        if not died:
            assert number > 5
            return
    raise AssertionError(f"begin made more than {MOST} writes")
