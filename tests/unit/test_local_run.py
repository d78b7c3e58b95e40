"""Rounds on this machine: what is started, what its end is, and that nothing outlives it. The pipeline is a stand-in."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from ratchet import local_run, rounds
from ratchet.errors import RoundError, RoundStopped
from ratchet.finish import finish
from ratchet.local_run import LocalRun, run_rounds
from ratchet.rounds import RoundEnd
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.unit.loops import LOOP, RECIPE, leave_all, new_loop, opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> LocalRun:
    return LocalRun(LOOP, RECIPE, tmp_path / "runs", settings.environment())


def pretend(monkeypatch: pytest.MonkeyPatch, settings: Settings, *states: str, code: int = 0) -> list[bool]:
    """In place of the pipeline: open the round and end it in this process. Returns what `--resume` was each time."""
    asked: list[bool] = []
    left = list(states)

    def watched(command: list[str], environment: dict[str, str], log: Path, look: object) -> int:
        asked.append("--resume" in command)
        ticket = opened(settings, f"job-{len(asked)}", resume=asked[-1])
        state = left.pop(0)
        store = open_store(settings.root)
        unfinished = ("train", "evaluate", "promote") if state in ("FAILED", "STOPPED") else ()
        leave_all(store, ticket, state, but=unfinished)
        if state == "STOPPED":
            rounds.write_failure(store, ticket, "train", RoundStopped("alarm entropy: it fell"))
        finish(ticket.job, LOOP, settings)
        return code

    monkeypatch.setattr(local_run, "_watched", watched)
    return asked


def test_each_round_is_one_run_and_each_end_is_told(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, run: LocalRun
) -> None:
    pretend(monkeypatch, settings, "REFUSED", "REFUSED")
    said: list[RoundEnd] = []
    ends = run_rounds(run, 2, said=said.append)
    assert [e.state for e in ends] == ["REFUSED", "REFUSED"]
    assert said == ends
    assert rounds.numbers(open_store(settings.root), LOOP) == [1, 2]


def test_a_failed_round_stops_the_loop_and_resume_goes_back_to_it(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, run: LocalRun
) -> None:
    asked = pretend(monkeypatch, settings, "FAILED", "REFUSED", "REFUSED", code=1)
    with pytest.raises(
        RoundError, match=r"(?s)failed at train: it left no manifest.*`ratchet resume --loop mine`.*logs"
    ):
        run_rounds(run, 3)
    ends = run_rounds(run, 2, resume=True)
    assert [e.state for e in ends] == ["REFUSED", "REFUSED"]
    assert asked == [False, True, False]
    assert rounds.numbers(open_store(settings.root), LOOP) == [1, 2]


def test_a_stopped_round_ends_the_loop_with_its_words_and_the_next_run_opens_a_new_one(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, run: LocalRun
) -> None:
    pretend(monkeypatch, settings, "REFUSED", "STOPPED", "REFUSED", code=1)
    said: list[RoundEnd] = []
    with pytest.raises(RoundStopped, match="stopped on purpose at train: alarm entropy: it fell") as stopped:
        run_rounds(run, 3, said=said.append)
    assert stopped.value.exit_code == 9
    assert [end.state for end in said] == ["REFUSED", "STOPPED"]
    assert [end.state for end in run_rounds(run, 1, resume=True)] == ["REFUSED"]
    assert rounds.numbers(open_store(settings.root), LOOP) == [1, 2, 3]
    assert run.log(3).parent.exists()


def test_a_round_that_never_opened_is_told_by_the_last_error_in_its_log(
    monkeypatch: pytest.MonkeyPatch, run: LocalRun
) -> None:
    words = "ratchet.errors.LeaseHeld: the loop is held by run-7"
    code = f"print('starting'); print({words!r}); raise SystemExit(3)"
    monkeypatch.setattr(local_run, "_command", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(RoundError, match=r"failed at begin: ratchet\.errors\.LeaseHeld: .* \(exit code 3\)"):
        run_rounds(run, 1)
    assert run.log(1).read_text().splitlines()[0] == "starting"


def test_a_resume_that_never_began_is_not_told_by_the_end_that_stood_there(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, run: LocalRun
) -> None:
    finish(opened(settings).job, LOOP, settings)
    code = "print('ratchet.errors.LeaseHeld: held by run-7'); raise SystemExit(1)"
    monkeypatch.setattr(local_run, "_command", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(RoundError, match=r"failed at begin: ratchet\.errors\.LeaseHeld: held by run-7"):
        run_rounds(run, 1, resume=True)


def test_the_command_names_loop_recipe_seed_profile_and_resume(run: LocalRun, tmp_path: Path) -> None:
    command = local_run._command(run, resume=False)
    assert command[:3] == [sys.executable, "-m", "ratchet.pipelines.local"]
    assert command[3:] == ["--loop", LOOP, "--recipe", RECIPE, "--seed", "champion"]
    other = LocalRun(LOOP, "rft", tmp_path, {}, profile="p.yaml", seed="3")
    assert local_run._command(other, resume=True)[-5:] == ["--seed", "3", "--profile", "p.yaml", "--resume"]


def test_the_environment_leads_to_the_same_places_and_the_users_choice_stands(
    run: LocalRun, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("RATCHET_LEASE_SECONDS", raising=False)
    found = local_run._environment(run)
    assert Settings.from_environment(found) == settings
    assert found["OMP_NUM_THREADS"] == "2"
    assert found["RATCHET_PROGRESS"] == str(run.progress)
    assert float(found["RATCHET_LEASE_WAIT"]) > float(found["RATCHET_LEASE_SECONDS"])


def test_whatever_ends_us_ends_the_whole_group_of_the_round(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(file)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(file)!r} + '.new', {str(file)!r})\n"
        "time.sleep(60)\n"
    )

    def look() -> None:
        if file.exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local_run._watched([sys.executable, "-c", code], dict(os.environ), tmp_path / "log", look)
    deadline = time.monotonic() + 120
    for pid in map(int, file.read_text().split()):
        while _runs(pid):
            assert time.monotonic() < deadline, f"{pid} still runs"
            time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
