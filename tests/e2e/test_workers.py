"""Worker processes of the verify stage when things go wrong: errors, limits, and kill -9 of a worker or of the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ratchet.errors import VerifierError
from ratchet.records import Prompt
from ratchet.stage import StageContext, run_step
from ratchet.verify import Finding, per_completion, verdicts_of
from ratchet.verify.applying import TIMED_OUT
from ratchet.verify.workers import VARIABLE, in_processes
from tests import rows
from tests.unit.verify import staging
from tests.unit.verify.test_stage import groups

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TRY = "import sys; from tests.e2e.test_workers import a_try; a_try(*sys.argv[1:])"


def prepared(folder: Path, count: int = 23) -> StageContext:
    store = staging.store_at(folder)
    made = staging.parent(store, "generate", groups(count))
    return staging.context(store, staging.round_at(store), "verify", generate=made)


def left_alone(pids: set[int], seconds: float = 120) -> set[int]:
    """Which of these processes still live after so long."""
    until = time.monotonic() + seconds
    while pids and time.monotonic() < until:
        pids = {pid for pid in pids if Path(f"/proc/{pid}/stat").exists() and _state(pid) != "Z"}
        time.sleep(0.1)
    return pids


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@contextmanager
def dying(context: StageContext) -> Iterator[Callable[[int], int]]:
    """Every worker but the one with file 0 is killed at once."""

    def work(index: int) -> int:
        if index:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    yield work


@contextmanager
def telling(context: StageContext) -> Iterator[Callable[[int], int]]:
    """File 0 is made; file 1 cannot be."""

    def work(index: int) -> int:
        if index:
            raise VerifierError(f"file {index} of {context.round.loop} cannot be made.")
        return os.getpid()

    yield work


@contextmanager
def hanging(context: StageContext) -> Iterator[Callable[[int], list[str]]]:
    """A rule that never ends, under a limit of a fifth of a second."""

    def forever(prompt: Prompt, text: str) -> Finding:
        while True:
            pass

    rule = per_completion(forever, name="forever")

    def work(index: int) -> list[str]:
        (lists,) = verdicts_of([rows.group(index, ("3",))], ["forever"], 0.2, {"forever": rule})
        return [verdict.reason for verdicts in lists for verdict in verdicts]

    yield work


@contextmanager
def slow(context: StageContext) -> Iterator[Callable[[int], None]]:
    """Tells its process, and takes ten minutes."""

    def work(index: int) -> None:
        context.store.put(f"pids/{os.getpid()}", b"")
        time.sleep(600)

    yield work


def test_a_killed_worker_is_told_and_nothing_hangs(tmp_path: Path) -> None:
    with pytest.raises(VerifierError, match=r"one of 2 worker processes of verify was killed, .* run the stage again"):
        list(in_processes(prepared(tmp_path), dying, range(6), 2))


def test_what_a_worker_raises_is_raised_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(VerifierError, match=r"^file \d of test cannot be made\.$"):
        list(in_processes(prepared(tmp_path), telling, range(6), 2))


def test_an_unknown_verifier_is_told_as_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "2")
    store = staging.store_at(tmp_path)
    asking = [g.model_copy(update={"prompt": g.prompt.model_copy(update={"verifiers": ("magic",)})}) for g in groups(9)]
    with pytest.raises(VerifierError, match="no verifier 'magic'; known: "):
        staging.run(store, staging.round_at(store), "verify", generate=staging.parent(store, "generate", asking))


def test_the_limit_of_a_verdict_holds_in_workers(tmp_path: Path) -> None:
    found = dict(in_processes(prepared(tmp_path), hanging, range(2), 2))
    assert found == {0: [TIMED_OUT], 1: [TIMED_OUT]}


def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    context = prepared(tmp_path)
    parent = subprocess.Popen([sys.executable, "-c", TRY, str(tmp_path), "slow"])
    pids: set[int] = set()
    until = time.monotonic() + 240
    while len(pids) < 2 and time.monotonic() < until:
        time.sleep(0.1)
        pids = {int(stat.uri.rpartition("/")[2]) for stat in context.store.list("pids/")}
    parent.kill()
    parent.wait()
    assert len(pids) == 2
    assert left_alone(pids) == set()


def test_a_stage_whose_parent_is_killed_again_and_again_ends_as_one_that_never_was(tmp_path: Path) -> None:
    whole = run_step(prepared(tmp_path / "twin", 60))
    context = prepared(tmp_path / "killed", 60)
    for seconds in (1.0, 1.5, 2.0, 2.5):
        attempt = subprocess.Popen([sys.executable, "-c", TRY, str(tmp_path / "killed"), "stage"])
        time.sleep(seconds)
        attempt.kill()
        attempt.wait()
    subprocess.run([sys.executable, "-c", TRY, str(tmp_path / "killed"), "stage"], check=True)
    manifest = run_step(context)
    assert (manifest.content_digest, manifest.counts, manifest.results) == (
        whole.content_digest, whole.counts, whole.results,
    )  # fmt: skip


def a_try(folder: str, what: str) -> None:
    """In a process of its own: the stage, or files that take ten minutes."""
    os.environ[VARIABLE] = "2"
    count = 60 if what == "stage" else 23
    context = prepared(Path(folder), count)
    if what == "stage":
        run_step(context)
    else:
        list(in_processes(context, slow, range(6), 2))
