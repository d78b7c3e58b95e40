"""finish: what the manifests say is how the round ended, whatever is missing."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.errors import AuditFailed, RoundStopped, StoreError, TrainError
from ratchet.finish import finish
from ratchet.finish.stage import end_of
from ratchet.launching.trainjob import RECORD
from ratchet.loop import cancel
from ratchet.registry import lease as leases
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.stage import STEPS
from ratchet.store import Stat, Store, open_store
from ratchet.store.folder import FolderStore
from tests.unit.loops import LOOP, leave, leave_all, new_loop, opened

SUBSETS = [subset for n in range(1, len(STEPS) + 1) for subset in combinations(STEPS, n)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


@pytest.fixture
def ticket(settings: Settings) -> Ticket:
    return opened(settings)


@pytest.mark.parametrize("state", ["PROMOTED", "REFUSED", "STALE"])
def test_with_every_manifest_promote_decides(settings: Settings, store: Store, ticket: Ticket, state: str) -> None:
    leave_all(store, ticket, state)
    end = finish(ticket.job, LOOP, settings)
    assert end.state == state
    assert end.reason == ("Not promoted: the alias is elsewhere." if state == "STALE" else "not_better")
    assert (end.champion, end.candidate) == ("2" if state == "PROMOTED" else "1", "2")
    assert rounds.read_end(store, LOOP, 1) == end
    state_now = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert state_now is not None
    assert state_now.released


def test_whatever_is_missing_the_round_failed_at_the_first_of_it(store: Store, ticket: Ticket) -> None:
    everything = {name: leave(store, ticket, name) for name in STEPS}
    kept = {name: store.get(f"{store.key(m.uri)}/manifest.json") for name, m in everything.items()}
    for missing in SUBSETS:
        for name, manifest in everything.items():
            key = f"{store.key(manifest.uri)}/manifest.json"
            if name in missing:
                store.delete(key)
            elif not store.exists(key):
                store.put(key, kept[name])
        end = end_of(store, ticket)
        assert end.state == "FAILED"
        assert end.reason.startswith(f"{missing[0]}: it left no manifest and no message")


def test_a_stage_that_said_why_is_named_before_one_that_only_lacks(store: Store, ticket: Ticket) -> None:
    leave(store, ticket, "generate")
    rounds.write_failure(store, ticket, "train", TrainError("the filter left 0 rows"))
    assert end_of(store, ticket).reason == "train: TrainError: the filter left 0 rows"
    rounds.write_failure(store, ticket, "verify", ValueError("bad row"))
    assert end_of(store, ticket).reason == "verify: ValueError: bad row"
    # What another run of the round said is not this run's.
    other = ticket.model_copy(update={"job": "job-2"})
    assert end_of(store, other).reason.startswith("verify: it left no manifest")


def test_a_failed_round_can_be_completed_and_a_decided_one_cannot_change(
    settings: Settings, store: Store, ticket: Ticket
) -> None:
    leave_all(store, ticket, but=("promote",))
    assert finish(ticket.job, LOOP, settings).state == "FAILED"
    leave_all(store, ticket, "REFUSED")
    first = finish(ticket.job, LOOP, settings)
    assert first.state == "REFUSED"
    assert finish(ticket.job, LOOP, settings) == first


def test_a_run_that_opened_nothing_ends_nothing(settings: Settings, store: Store, ticket: Ticket) -> None:
    end = finish("job-9", LOOP, settings)
    assert (end.state, end.reason) == (
        "FAILED",
        "run job-9 opened no round: begin was killed, or never started; its log says more",
    )
    assert rounds.read_end(store, LOOP, 1) is None


def test_a_run_that_lost_the_loop_does_not_end_the_round_of_another(
    settings: Settings, store: Store, ticket: Ticket
) -> None:
    leases.Lease(store.sub(rounds.loop_prefix(LOOP)), ticket.job, ticket.epoch, 60).release()
    again = opened(settings, "job-2")
    assert again.number == 1
    end = finish("job-1", LOOP, settings)
    assert end.state == "FAILED"
    assert "LeaseLost" in end.reason
    assert "'job-2' with epoch 2" in end.reason
    assert rounds.read_end(store, LOOP, 1) is None
    state = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert state is not None
    assert (state.holder, state.released) == ("job-2", False)


def test_a_cancelled_run_finds_its_round_ended(settings: Settings, store: Store, ticket: Ticket) -> None:
    cancel(settings, LOOP, "wrong recipe")
    leave_all(store, ticket, "PROMOTED")
    assert finish(ticket.job, LOOP, settings).reason == "cancelled: wrong recipe"


def test_a_report_that_cannot_be_made_does_not_hide_the_end(settings: Settings, store: Store, ticket: Ticket) -> None:
    leave_all(store, ticket, "REFUSED")
    assert finish(ticket.job, LOOP, settings).state == "REFUSED"
    made = {store.key(s.uri).rsplit("/", 1)[-1] for s in store.list(rounds.round_prefix(LOOP, 1))}
    assert made & {"report.html", "report-failure.json"}


@pytest.mark.parametrize(
    "error", [RoundStopped("alarm entropy: fell"), AuditFailed("majority: precision 0.4 below 0.6")]
)
def test_a_round_that_was_stopped_on_purpose_is_stopped_and_not_failed(
    settings: Settings, store: Store, ticket: Ticket, error: Exception
) -> None:
    leave(store, ticket, "generate")
    leave(store, ticket, "verify")
    rounds.write_failure(store, ticket, "filter", error)
    end = finish(ticket.job, LOOP, settings)
    assert (end.state, end.reason) == ("STOPPED", f"filter: {error}")
    # The end is final: nothing can complete the round.
    leave_all(store, ticket, "PROMOTED")
    assert finish(ticket.job, LOOP, settings) == end


def test_what_broke_before_the_stop_is_what_ended_the_round(store: Store, ticket: Ticket) -> None:
    leave(store, ticket, "generate")
    rounds.write_failure(store, ticket, "filter", RoundStopped("alarm entropy: fell"))
    rounds.write_failure(store, ticket, "verify", ValueError("bad row"))
    assert end_of(store, ticket).state == "FAILED"


def test_a_stop_at_promote_says_why(settings: Settings, store: Store, ticket: Ticket) -> None:
    leave_all(store, ticket, "STOPPED")
    end = finish(ticket.job, LOOP, settings)
    assert (end.state, end.reason) == ("STOPPED", "Not promoted: the alias is elsewhere.")
    assert (end.champion, end.candidate) == ("1", "2")


def test_a_store_that_fails_at_the_jobs_record_does_not_keep_the_lease(
    settings: Settings,
    store: Store,
    ticket: Ticket,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    leave_all(store, ticket, "REFUSED")
    usual = FolderStore.stat

    def failing(self: FolderStore, key: str) -> Stat | None:
        if key.endswith(RECORD):
            raise StoreError("the disk is away")
        return usual(self, key)

    monkeypatch.setattr(FolderStore, "stat", failing)
    assert finish(ticket.job, LOOP, settings).state == "REFUSED"
    state = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert state is not None
    assert state.released
    assert "whether a TrainJob is left is not known: the disk is away" in capsys.readouterr().err


def test_a_begin_that_was_killed_before_it_had_a_round_lets_go_of_the_loop(settings: Settings, store: Store) -> None:
    leases.acquire(store.sub(rounds.loop_prefix(LOOP)), "job-0", 6 * 3600)
    assert "opened no round" in finish("job-0", LOOP, settings).reason
    assert opened(settings, "job-1").number == 1
