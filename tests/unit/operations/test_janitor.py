"""The janitor closes what a death left open, says why, and leaves alone what lives."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.errors import PlatformError, PlatformUnavailable, RegistryUnavailable
from ratchet.finish import finish
from ratchet.operations.janitor import clean
from ratchet.registry import lease as leases
from ratchet.registry import tracking
from ratchet.registry.base import LOOP as LOOP_TAG
from ratchet.registry.base import ROUND
from ratchet.registry.store_registry import StoreRegistry
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, leave, leave_all, new_loop, opened, promoted


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # A lease that is over at once: whatever holds it has died.
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "-2")
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def dead(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.begin.stage.lease.renewing", lambda held, every: _nothing(held))


class _nothing:
    def __init__(self, held: object) -> None:
        self.held = held

    def __enter__(self) -> object:
        return self.held

    def __exit__(self, *_: object) -> None:
        return None


def test_a_round_whose_run_is_gone_is_listed_then_closed_with_its_reason(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(settings, monkeypatch)
    ticket = opened(settings)
    leave(store, ticket, "generate")
    (left,) = clean(settings, (LOOP,), still=0)
    assert (left.kind, left.round, left.name, left.state, left.closed) == ("round", 1, "job-1", "FAILED", False)
    assert rounds.read_end(store, LOOP, 1) is None
    found = clean(settings, (LOOP,), still=0, apply=True)
    assert [(one.kind, one.closed) for one in found] == [("round", True)]
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert end.reason.startswith("verify: it left no manifest")
    assert "closed by the janitor: run job-1 is gone" in end.reason
    known = tracking.read(store, LOOP, 1)
    assert known is not None
    assert StoreRegistry(store).run(known.run)["state"] == "FAILED"
    made = {store.key(s.uri).rsplit("/", 1)[-1] for s in store.list(rounds.round_prefix(LOOP, 1))}
    assert made & {"report.html", "report-failure.json"}
    # Its run may wake up: what it writes is refused, and the round can be taken up again.
    assert finish("job-1", LOOP, settings) == end
    assert opened(settings, "job-2", resume=True).number == 1
    assert clean(settings, (LOOP,), still=6) == []


def test_what_promote_decided_stands(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    dead(settings, monkeypatch)
    ticket = opened(settings)
    promoted(settings, ticket)
    leave_all(store, ticket, but=("promote",))
    clean(settings, (LOOP,), still=0, apply=True)
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert (end.state, end.champion) == ("PROMOTED", "2")


def test_a_round_that_lives_is_left_alone(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "60")
    opened(settings)
    assert clean(settings, (LOOP,), still=0, apply=True) == []
    assert rounds.read_end(store, LOOP, 1) is None


def test_between_two_stages_by_hand_nobody_holds_the_loop(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(settings, monkeypatch)
    opened(settings)
    assert clean(settings, (LOOP,), apply=True) == []


def test_a_run_that_the_platform_says_is_running_is_left_alone(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(settings, monkeypatch)
    opened(settings)
    assert clean(settings, (LOOP,), still=0, apply=True, alive=lambda run: run == "job-1") == []
    assert [one.closed for one in clean(settings, (LOOP,), still=0, apply=True, alive=lambda _: None)] == [True]


def test_a_run_that_the_platform_says_has_ended_is_not_waited_for(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease lasts for hours: a task might wait for a node."""
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "21600")
    opened(settings)
    assert clean(settings, (LOOP,), alive=lambda _: False) == [], "its pods may still write"
    monkeypatch.setattr("ratchet.operations.janitor.ENDED_STILL", timedelta(0))
    assert clean(settings, (LOOP,), apply=True, alive=lambda _: None) == [], "not the platform's: by its lease"
    (left,) = clean(settings, (LOOP,), apply=True, alive=lambda _: False)
    assert (left.kind, left.state, left.closed) == ("round", "FAILED", True)
    assert "run job-1 has ended, as Kubeflow Pipelines says" in left.why
    assert opened(settings, "job-2").number == 2


def test_a_loop_that_an_ended_run_holds_without_a_round_is_freed(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratchet.operations.janitor.ENDED_STILL", timedelta(0))
    place = store.sub(rounds.loop_prefix(LOOP))
    leases.acquire(place, "job-1", 21600)
    assert clean(settings, (LOOP,), apply=True) == []
    (left,) = clean(settings, (LOOP,), apply=True, alive=lambda _: False)
    assert (left.kind, left.name, left.closed) == ("lease", "job-1", True)
    leases.acquire(place, "job-2", 60)


@pytest.mark.parametrize(("error", "closed"), [(PlatformUnavailable("away"), 0), (PlatformError("403"), 1)])
def test_where_the_platform_cannot_be_asked_it_is_said(
    settings: Settings,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: PlatformError,
    closed: int,
) -> None:
    def refuse(_: str) -> bool | None:
        raise error

    dead(settings, monkeypatch)
    opened(settings)
    assert len(clean(settings, (LOOP,), still=0, apply=True, alive=refuse)) == closed
    assert (
        f"nobody knows whether run job-1 lives, so {'its lease' if closed else 'its loop'}" in capsys.readouterr().err
    )


def test_runs_of_the_registry_end_as_their_rounds_did(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "60")
    ticket = opened(settings)
    leave_all(store, ticket, "REFUSED")
    finish(ticket.job, LOOP, settings)
    registry = StoreRegistry(store)
    ended = registry.open_run(LOOP, {LOOP_TAG: LOOP, ROUND: "1"})
    lost = registry.open_run(LOOP, {LOOP_TAG: LOOP, ROUND: "9"})
    assert [(one.name, one.state) for one in clean(settings, (LOOP,), still=0)] == [
        (ended, "REFUSED"),
        (lost, "FAILED"),
    ]
    assert [one.closed for one in clean(settings, (LOOP,), still=0, apply=True)] == [True, True]
    assert (registry.run(ended)["state"], registry.run(lost)["state"]) == ("FINISHED", "FAILED")
    assert registry.run(lost)["tags"][tracking.REASON].startswith("closed by the janitor: it belongs to no round")
    assert clean(settings, (LOOP,), still=0) == []
    # Younger than the patience: perhaps its begin is at work.
    registry.open_run(LOOP, {LOOP_TAG: LOOP, ROUND: "9"})
    assert clean(settings, (LOOP,), still=1) == []


def test_a_run_that_the_registry_does_not_end_is_not_called_closed(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "60")

    def away(*_: object) -> None:
        raise RegistryUnavailable("MLflow is away")

    with monkeypatch.context() as patched:
        patched.setattr(StoreRegistry, "end_run", away)
        ticket = opened(settings)
        leave_all(store, ticket, "REFUSED")
        finish(ticket.job, LOOP, settings)
        assert [one.closed for one in clean(settings, (LOOP,), still=0, apply=True)] == [False]
    assert [one.closed for one in clean(settings, (LOOP,), still=0, apply=True)] == [True]
    assert StoreRegistry(store).running(LOOP) == []
