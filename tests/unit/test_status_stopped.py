"""What status and report say of a round that has not ended: why it stands still, if it does."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from ratchet import canonical, rounds
from ratchet.alarms import Alarm
from ratchet.alarms.watch import place
from ratchet.begin.stage import take_lease
from ratchet.cli import loops as cli
from ratchet.errors import SamplingError
from ratchet.report import html
from ratchet.report.collect import collect
from ratchet.report.page import coded
from ratchet.report.terminal import print_loop
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.stage import lease_of
from ratchet.status import loop_status
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, new_loop, opened

SAID = "generate failed: SamplingError: no readable answer"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


@pytest.fixture
def ticket(settings: Settings) -> Ticket:
    return opened(settings)


def fail(store: Store, ticket: Ticket, stage: str = "generate") -> None:
    rounds.write_failure(store, ticket, stage, SamplingError("no readable answer"))


def last(settings: Settings) -> tuple[str, str | None, bool]:
    told = loop_status(settings, LOOP)["rounds"][-1]
    return told["state"], told["reason"], told["stopped"]


def test_a_round_that_runs_has_nothing_to_tell(settings: Settings, ticket: Ticket) -> None:
    assert last(settings) == ("RUNNING", None, False)


def test_what_a_stage_said_is_shown_while_its_run_still_holds_the_loop(
    settings: Settings, store: Store, ticket: Ticket
) -> None:
    fail(store, ticket)
    assert last(settings) == ("RUNNING", SAID, False)


def test_a_round_whose_lease_was_released_has_stopped(
    settings: Settings,
    store: Store,
    ticket: Ticket,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fail(store, ticket)
    lease_of(store, ticket).release()
    assert last(settings) == ("RUNNING", f"stopped: {SAID}", True)
    cli._print_status(settings, LOOP)
    shown = capsys.readouterr().out
    assert f"stopped: {SAID}" in shown
    assert "running" not in shown
    assert "held by" not in shown


def test_a_round_whose_lease_ran_out_has_stopped(
    settings: Settings, ticket: Ticket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratchet.status.leases.CLOCK_GRAIN", timedelta(days=-1))
    state, reason, stopped = last(settings)
    assert (state, stopped) == ("RUNNING", True)
    assert "`ratchet resume --loop mine` goes on" in str(reason)
    assert loop_status(settings, LOOP)["lease"]["live"] is False


def test_of_several_failures_the_one_nearest_to_the_end_is_told(
    settings: Settings, store: Store, ticket: Ticket
) -> None:
    fail(store, ticket)
    rounds.write_failure(store, ticket, "train", ValueError("nan"))
    assert last(settings)[1] == "train failed: ValueError: nan"


def test_what_an_earlier_run_said_is_over_once_another_works_on_the_round(
    settings: Settings, store: Store, ticket: Ticket
) -> None:
    fail(store, ticket)
    lease_of(store, ticket).release()
    lease = take_lease(store, LOOP, "job-2")
    rounds.write_run(store, ticket.model_copy(update={"job": "job-2", "epoch": lease.epoch}))
    assert last(settings) == ("RUNNING", None, False)


def test_the_report_says_why_the_last_round_came_to_nothing(settings: Settings, store: Store, ticket: Ticket) -> None:
    fail(store, ticket, "verify")
    lease_of(store, ticket).release()
    view = collect(store, LOOP)
    said = "Round 1 stopped: verify failed: SamplingError: no readable answer"
    assert view.rounds[0].stopped
    page = html.render(view)
    assert page.count(said) == 1
    assert "Interrupted</span>" in page
    assert "> Running" not in page
    assert "The gate has not decided." in page
    assert "Round 1 has stopped before its end." in html.render_round(view, 1)
    text = io.StringIO()
    print_loop(view, Console(file=text, width=200))
    assert said in text.getvalue()


def test_a_round_that_nobody_works_on_is_interrupted_and_its_command_is_code(
    settings: Settings, store: Store, ticket: Ticket
) -> None:
    lease_of(store, ticket).release()
    view = collect(store, LOOP)
    page = html.render(view)
    assert page.count("no run works on it now") == 1
    assert "<code>ratchet resume --loop mine</code>" in page
    assert "1 interrupted" in page
    with cli.console.capture() as shown:
        cli._show_status(loop_status(settings, LOOP))
    assert "RUNNING" not in shown.get()


def test_a_lone_backtick_is_only_a_backtick() -> None:
    assert coded("a `b` <c> `d") == "a <code>b</code> &lt;c&gt; `d"


def test_alarms_are_shown_under_the_rounds(settings: Settings, store: Store, ticket: Ticket) -> None:
    said = Alarm(
        name="entropy", action="warn", value=0.1, threshold=0.5, reference=0.3, since=1, words="it fell", next="Train less."
    )  # fmt: skip
    body = {"alarms": [said.model_dump(mode="json")]}
    store.put(place(rounds.round_prefix(LOOP, ticket.number), "filter"), canonical.dumps(body))
    status = loop_status(settings, LOOP)
    assert status["rounds"][-1]["alarms"] == [{"before": "filter", **said.model_dump()}]
    with cli.console.capture() as shown:
        cli._show_status(status)
    assert "round 1, alarm entropy (warn): it fell. Train less." in shown.get()
