"""Real rounds of majority votes that alarms stop on purpose: in process, under kfp.local, killed in between, and gone on with."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet import alarms, loop, rounds
from ratchet.begin import BeginOptions
from ratchet.errors import RoundStopped
from ratchet.local_run import LocalRun, run_rounds
from ratchet.registry import open_registry
from ratchet.settings import Settings
from ratchet.status import loop_status
from ratchet.store import open_store
from tests.e2e.rounds import fork, wait
from tests.micro import environment, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAME = "voting"
VOTING = """
name: voting
seed: 7
prompts: {pool: 27, validation: 9, holdout: 45, report: 18}
generate: {k: 4, max_new_tokens: 12, rows_per_file: 9, batch_size: 64}
verify: {verifiers: {name: majority, floor: 0.3}}
train: {max_steps: 3, batch_size: 8}
evaluate: {max_new_tokens: 12, pass_at_k: null}
promote: {min_items: 9}
alarms: {min_prompts: 5, precision: {below: 0.999, action: ACTION}}
"""
STOP, WARN = VOTING.replace("ACTION", "stop"), VOTING.replace("ACTION", "warn")
AT_PROMOTE = WARN.replace("min_prompts: 5,", "min_prompts: 1, skill_share: {below: 0.999, action: stop},")


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    found = settings_in(tmp_path)
    loop.init_loop(found, NAME, "tinyworld")
    with environment(OMP_NUM_THREADS="1", RATCHET_CACHE=str(tmp_path / "cache"), RATCHET_LEASE_SECONDS="8"):
        yield found


def options(recipe: str) -> BeginOptions:
    return BeginOptions(loop=NAME, recipe=recipe)


def test_votes_that_promise_too_little_stop_the_round_before_it_trains_and_with_a_warning_it_goes_on(
    settings: Settings,
) -> None:
    store = open_store(settings.root)
    with pytest.raises(
        RoundStopped, match=r"alarm precision: the votes of majority promise that at most 0\.\d+ is right"
    ):
        loop.run_in_process(settings, options(STOP))
    end = rounds.read_end(store, NAME, 1)
    assert end is not None
    assert end.state == "STOPPED"
    assert end.reason.startswith("filter: alarm precision: ")
    assert set(rounds.manifests(store, NAME, 1)) == {"generate", "verify"}
    assert store.exists(f"{rounds.round_prefix(NAME, 1)}/report.html")
    again = loop.run_in_process(settings, options(WARN))
    assert again.state in ("PROMOTED", "REFUSED")
    first, second = loop_status(settings, NAME)["rounds"]
    assert (first["state"], second["state"]) == ("STOPPED", again.state)
    warned = next(one for one in second["alarms"] if one["name"] == "precision")
    assert (warned["before"], warned["action"]) == ("filter", "warn")
    lineage = open_registry(settings, store).metrics(NAME, "2")
    assert lineage["vitals/promised/majority/precision"] == pytest.approx(warned["value"])


def test_a_stop_at_promote_keeps_the_champion_and_the_candidate_is_there_to_look_at(settings: Settings) -> None:
    store = open_store(settings.root)
    end = loop.run_in_process(settings, options(AT_PROMOTE))
    assert (end.state, end.champion, end.candidate) == ("STOPPED", "1", "2")
    assert "alarm skill_share: of skill" in end.reason
    champion = open_registry(settings, store).champion(NAME)
    assert champion is not None
    assert champion.version == "1"
    assert "skill_share" in [one.name for _, one in alarms.raised(store, NAME, 1)]


def test_killed_between_the_stop_and_its_end_the_round_is_stopped_by_the_next_run(settings: Settings) -> None:
    store = open_store(settings.root)

    def dies_before_finish() -> None:
        loop.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        loop.run_in_process(settings, options(STOP))

    assert wait(fork(dies_before_finish)) == -signal.SIGKILL
    assert rounds.read_end(store, NAME, 1) is None
    before = {name: one.created for name, one in rounds.manifests(store, NAME, 1).items()}
    with environment(RATCHET_LEASE_WAIT="30"), pytest.raises(RoundStopped):
        loop.run_in_process(settings, options(STOP))
    assert rounds.numbers(store, NAME) == [1]
    assert {name: one.created for name, one in rounds.manifests(store, NAME, 1).items()} == before
    end = rounds.read_end(store, NAME, 1)
    assert end is not None
    assert end.state == "STOPPED"


def test_under_kfp_local_a_stopped_round_ends_the_loop_and_says_how_to_go_on(
    settings: Settings, tmp_path: Path
) -> None:
    run = LocalRun(NAME, STOP, tmp_path / "runs", settings.environment(), "{name: test, retries: 0}")
    with pytest.raises(
        RoundStopped, match=r"stopped on purpose at filter: alarm precision.*alarms\.precision\.action warn"
    ):
        run_rounds(run, 3)
    (only,) = loop_status(settings, NAME)["rounds"]
    assert only["state"] == "STOPPED"
    assert [one["name"] for one in only["alarms"]] == ["precision"]
