"""SIGKILL from outside, at random times, at least twenty times a stage: what is made in the end is the same, once.

A parent process imports torch and TRL once and forks a child for each try, so that a try costs what the stage costs.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ratchet import loop, rounds
from ratchet.artifacts import GROUPS, Artifact
from ratchet.begin import BeginOptions, begin
from ratchet.finish import finish
from ratchet.promptset import find
from ratchet.registry import open_registry
from ratchet.registry.looks import Looks
from ratchet.rounds import Ticket
from ratchet.stage import STEPS, run_ticket
from ratchet.store import open_store
from tests.micro import MICRO, settings_in

pytestmark = pytest.mark.slow
KILLS = 20
LOOP = "kills"
JOB = "job"


class Undisturbed:
    """A finished micro-round in a folder, how long its stages took, and copies of it as it was before each."""

    def __init__(self, folder: Path, seed: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.seconds: dict[str, float] = {}
        self.digests: dict[str, str] = {}
        self.settings = settings_in(folder)
        loop.init_loop(self.settings, LOOP, str(seed))
        self._timed("begin", lambda: begin(JOB, BeginOptions(loop=LOOP, recipe=MICRO), self.settings))
        self.round = rounds.read_round(open_store(self.settings.root), LOOP, 1)
        for name in STEPS:
            # Once unmeasured, for what a process imports and compiles only once.
            self.keep(name)
            self.run(name)
            self.restore(name)
            self._timed(name, lambda stage=name: self.run(stage))  # type: ignore[misc]
        self._timed("finish", lambda: finish(JOB, LOOP, self.settings))
        store = open_store(self.settings.root)
        self.digests = {n: m.content_digest for n, m in rounds.manifests(store, LOOP, 1).items()}

    def keep(self, stage: str) -> None:
        """Remember the store as it is before `stage`."""
        shutil.copytree(self.settings.root, self.folder / f"before-{stage}", dirs_exist_ok=True)

    def restore(self, stage: str) -> None:
        """Put the store back to what it was before `stage`; addresses in it are absolute, so in its own place."""
        shutil.rmtree(self.settings.root)
        shutil.copytree(self.folder / f"before-{stage}", self.settings.root)

    def _timed(self, stage: str, work: Callable[[], object]) -> None:
        self.keep(stage)
        start = time.perf_counter()
        work()
        self.seconds[stage] = time.perf_counter() - start

    def run(self, stage: str) -> object:
        if stage == "begin":
            return begin(JOB, BeginOptions(loop=LOOP, recipe=MICRO), self.settings)
        if stage == "finish":
            return finish(JOB, LOOP, self.settings)
        done = rounds.manifests(open_store(self.settings.root), LOOP, 1)
        ticket = Ticket(root=self.settings.root, loop=LOOP, number=1, job=JOB, epoch=1)
        return run_ticket(stage, ticket, {p: done[p].uri for p in STEPS[stage].parents}, self.settings)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_seed: Path) -> Undisturbed:
    os.environ["RATCHET_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"), tiny_seed)


def in_child(work: Callable[[], object], kill_after: float | None) -> bool:
    """Run `work` in a forked child with a process group of its own; kill the group after so many seconds.

    True if it was killed while it ran; raises when the child fails by itself.
    """
    pid = os.fork()
    if pid == 0:
        os.setsid()
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            return os.WIFSIGNALED(status)
        return False
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return False


@pytest.mark.parametrize("stage", ["begin", *STEPS, "finish"])
def test_a_stage_that_is_killed_again_and_again_makes_the_same_once(
    undisturbed: Undisturbed, stage: str, tmp_path: Path
) -> None:
    chance = random.Random(f"kill {stage}")
    kills, tries = 0, 0
    while kills < KILLS:
        tries += 1
        assert tries < 40 * KILLS, f"only {kills} of {tries} tries were killed while the stage ran"
        undisturbed.restore(stage)
        # Several kills of the same try in a row: each later one meets what the earlier ones left.
        for _ in range(chance.randint(1, 4)):
            kills += in_child(lambda: undisturbed.run(stage), chance.uniform(0, 1.1 * undisturbed.seconds[stage]))
        in_child(lambda: undisturbed.run(stage), None)
        check(undisturbed, stage)
    print(f"{stage}: {kills} kills in {tries} tries")  # noqa: T201


def check(undisturbed: Undisturbed, stage: str) -> None:
    """The same content as the undisturbed run, one artifact, no row twice; one version, one look, one promotion."""
    store = open_store(undisturbed.settings.root)
    assert rounds.numbers(store, LOOP) == [1]
    if stage == "begin":
        same = {"salt", "prompts", "report", "seed", "family"}
        ours = rounds.read_round(store, LOOP, 1)
        assert ours.model_dump(include=same) == undisturbed.round.model_dump(include=same)
        assert all(find(store, digest) is not None for digest in (ours.prompts, ours.report))
        return
    if stage == "finish":
        end = rounds.read_end(store, LOOP, 1)
        assert end is not None
        assert end.state == "REFUSED"
        return
    made = rounds.manifests(store, LOOP, 1)[stage]
    assert made.content_digest == undisturbed.digests[stage]
    if stage in ("generate", "verify", "filter"):
        ids = [g.prompt.id for g in Artifact.open(store, made.uri, GROUPS).rows()]
        assert len(ids) == len(set(ids))
    if stage == "promote":
        assert [v.version for v in open_registry(undisturbed.settings, store).versions(LOOP)] == ["1", "2"]
        assert Looks(store, undisturbed.round.family).next_number() == 2
