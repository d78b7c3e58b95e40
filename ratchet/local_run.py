"""Rounds on this machine: each one the compiled pipeline under kfp.local, in a process group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ratchet import rounds
from ratchet.errors import RoundError, RoundStopped
from ratchet.rounds import RoundEnd
from ratchet.store import Store, open_store

LOOK_SECONDS = 0.25
LEASE_SECONDS = 30
Look = Callable[[], None]


@dataclass(frozen=True)
class LocalRun:
    """What to run: `environment` leads to store and registry, logs and progress go to `folder`."""

    loop: str
    recipe: str
    folder: Path
    environment: Mapping[str, str]
    profile: str | None = None
    seed: str = "champion"
    budget: float = 0.0
    origin: str = "person"

    @property
    def progress(self) -> Path:
        return self.folder / "progress.jsonl"

    def log(self, number: int) -> Path:
        return self.folder / "logs" / f"round-{number:04d}.log"


def run_rounds(
    run: LocalRun,
    count: int,
    *,
    resume: bool = False,
    look: Look = lambda: None,
    said: Callable[[RoundEnd], None] | None = None,
) -> list[RoundEnd]:
    """Run `count` rounds one after the other; each resolves its seed from the registry when it begins.

    Stops at the first round that FAILED and raises RoundError with what finish said and where the log is; at one that was
    STOPPED it raises RoundStopped with why, since the next round would meet the same. One that waits for a person ends the run.
    """
    ends = []
    for index in range(count):
        end = _run_one(run, resume and index == 0, look)
        if said is not None:
            said(end)
        ends.append(end)
        if end.state == "STOPPED":
            raise RoundStopped(f"the round was stopped on purpose at {end.reason}")
        if end.state == "FAILED":
            raise RoundError(
                f"the round failed at {end.reason}\n`ratchet resume --loop {run.loop}` goes on where it stopped; the log is {run.folder / 'logs'}."
            )
        if end.state == "PENDING" and _must_wait(run):
            break
    return ends


def _must_wait(run: LocalRun) -> bool:
    """Whether the next begin would refuse while the last round is pending."""
    store = open_store(run.environment["RATCHET_ROOT"])
    last = rounds.read_round(store, run.loop, rounds.numbers(store, run.loop)[-1])
    return last.recipe.promote.while_pending == "wait"


def _run_one(run: LocalRun, resume: bool, look: Look) -> RoundEnd:
    store = open_store(run.environment["RATCHET_ROOT"])
    before = rounds.numbers(store, run.loop)
    last_end = rounds.read_end(store, run.loop, before[-1]) if before else None
    expected = _next_number(store, run.loop, before, resume)
    log = run.log(expected)
    log.parent.mkdir(parents=True, exist_ok=True)
    code = _watched(_command(run, resume), _environment(run), log, look)
    known = rounds.numbers(store, run.loop)
    end = rounds.read_end(store, run.loop, known[-1]) if known else None
    # An end that stood there before is not this run's: begin failed, and reopened nothing.
    if end is None or (known == before and end == last_end):
        return RoundEnd(state="FAILED", reason=f"begin: {_last_error(log)} (exit code {code})", job="none")
    return end


def _next_number(store: Store, loop: str, known: list[int], resume: bool) -> int:
    if not known:
        return 1
    last = known[-1]
    end = rounds.read_end(store, loop, last)
    reopened = end is None or (resume and end.state == "FAILED")
    return last if reopened else last + 1


def _command(run: LocalRun, resume: bool) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "ratchet.pipelines.local",
        "--loop",
        run.loop,
        "--recipe",
        run.recipe,
        "--seed",
        run.seed,
    ]
    if run.profile:
        command += ["--profile", run.profile]
    if run.budget:
        command += ["--budget", str(run.budget)]
    if run.origin != "person":
        command += ["--origin", run.origin]
    return [*command, "--resume"] if resume else command


def _environment(run: LocalRun) -> dict[str, str]:
    fixed = {
        "RATCHET_PROGRESS": str(run.progress),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
        "TOKENIZERS_PARALLELISM": "false",
        # Nine processes a round import the same modules: let the first one keep their bytecode.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    defaults = {
        "OMP_NUM_THREADS": "1",
        "RATCHET_LEASE_SECONDS": str(LEASE_SECONDS),
        # A run that was killed a moment ago leaves its lease behind: wait for it instead of failing.
        "RATCHET_LEASE_WAIT": str(LEASE_SECONDS + 15),
    }
    return {**defaults, **os.environ, **run.environment, **fixed}


def _watched(command: list[str], environment: dict[str, str], log: Path, look: Look) -> int:
    """Run to the end in a process group of its own; whatever ends us ends the group."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            while child.poll() is None:
                look()
                time.sleep(LOOK_SECONDS)
        except BaseException:
            _end_group(child)
            raise
    look()
    return child.returncode


def _end_group(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(5)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _last_error(log: Path) -> str:
    """The last line of the log that looks like an exception, for a round that never opened."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    named = [line.strip() for line in lines if "Error" in line or "ratchet.errors." in line or "Held" in line]
    return named[-1] if named else "no message; see the log"
