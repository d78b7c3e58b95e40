"""The commands on what a loop may do: loop show, pause, resume; estimate; janitor."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratchet import rounds
from ratchet.cli.app import app
from ratchet.errors import RoundStopped
from ratchet.finish import finish
from ratchet.operations.policy import LoopPolicy, StopRules, read_policy, read_stopped, write_policy
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, RECIPE, leave_all, new_loop, opened


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = new_loop(tmp_path)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("KFP_ENDPOINT", "KUBERNETES_SERVICE_HOST", "RATCHET_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_loop_is_paused_and_goes_on(settings: Settings, store: Store) -> None:
    assert "has no policy: only people start its rounds" in said("loop", "show", "--loop", LOOP)
    words = said("loop", "pause", "--loop", LOOP, "--why", "new data on Monday")
    assert "new data on Monday. `ratchet loop resume --loop mine` goes on" in words
    with pytest.raises(RoundStopped, match="new data on Monday"):
        opened(settings)
    assert "new data on Monday" in said("status", "--loop", LOOP)
    assert "it was stopped: new data on Monday" in said("loop", "resume", "--loop", LOOP, "--by", "ada")
    assert read_stopped(store, LOOP) is None
    assert "it was not stopped" in said("loop", "resume", "--loop", LOOP, "--by", "ada")


def test_rules_are_shown_beside_how_far_they_are_used(settings: Settings, store: Store) -> None:
    write_policy(store, LOOP, LoopPolicy(recipe="rft", stop=StopRules(rounds=5)))
    shown = said("loop", "show", "--loop", LOOP)
    assert "loop mine is driven by nobody with recipe rft" in shown
    assert any(line.split()[:3] == ["rounds", "0", "5"] for line in shown.splitlines())
    found = json.loads(said("loop", "show", "--loop", LOOP, "--json"))
    assert {one["rule"] for one in found["rules"]} == set(StopRules.model_fields)


def test_an_estimate_says_what_it_rests_on(settings: Settings, store: Store) -> None:
    write_policy(store, LOOP, LoopPolicy(recipe=RECIPE))
    assert "its time and price are not known" in " ".join(said("estimate", "--loop", LOOP).split())
    ticket = opened(settings)
    leave_all(store, ticket)
    finish(ticket.job, LOOP, settings)
    shown = said("estimate", "--loop", LOOP)
    assert "from 1 past rounds like it, 1 of them with this very recipe" in shown
    assert "the price is not known" in shown
    found = json.loads(said("estimate", "--loop", LOOP, "--recipe", RECIPE, "--json"))
    assert found["hours"]["low"] == pytest.approx(5 * 1.5 / 3600)


def test_the_janitor_lists_and_closes_only_when_told(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nothing is left open" in said("janitor")
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "0.2")
    opened(settings)
    time.sleep(1.5)
    shown = said("janitor", "--still", "0")
    assert "nothing was changed; --apply closes them" in shown
    assert rounds.read_end(store, LOOP, 1) is None
    (left,) = json.loads(said("janitor", "--loop", LOOP, "--still", "0", "--apply", "--json"))
    assert (left["kind"], left["state"], left["closed"]) == ("round", "FAILED", True)
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert "closed by the janitor" in end.reason


def test_a_policy_is_made_changed_and_shown(settings: Settings, store: Store) -> None:
    assert "has no policy" in said("loop", "policy", "--loop", LOOP)
    told = said(
        "loop", "policy", "--loop", LOOP, "--owner", "trigger", "--recipe", "rft", "--rounds", "3", "--no-on-alarm"
    )
    assert "`ratchet trigger serve --loop mine`" in told
    said("loop", "policy", "--loop", LOOP, "--clear", "rounds", "--gpu-hours", "2.5", "--after-refused", "wait")
    found = json.loads(said("loop", "policy", "--loop", LOOP, "--json"))["policy"]
    assert (found["owner"], found["recipe"], found["after_refused"]) == ("trigger", "rft", "wait")
    assert found["stop"] == {"rounds": None, "rounds_without_promotion": None, "gpu_hours": 2.5, "on_alarm": False}
    assert "gpu_hours: 2.5 (now 0)" in said("loop", "policy", "--loop", LOOP)


def test_a_loop_is_opened_with_its_owner_and_rules(settings: Settings, store: Store) -> None:
    start = ("init", "--loop", LOOP, "--seed", f"models:/{LOOP}/1")
    told = CliRunner().invoke(app, [*start, "--owner", "trigger"])
    assert (told.exit_code, "--recipe rft" in told.output) == (2, True)
    assert "owner: trigger" in said(*start, "--owner", "trigger", "--recipe", "rft", "--rounds", "5", "--budget", "2")
    policy = read_policy(store, LOOP)
    assert policy is not None
    assert (policy.owner, policy.budget, policy.stop.rounds) == ("trigger", 2.0, 5)
