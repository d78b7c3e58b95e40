"""SIGKILL from outside, at random times, at least twenty times a stage: what is made in the end is the same, once.

A parent process imports torch and TRL once and forks a child for each try, so that a try costs what the stage costs.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratchet import loop, rounds
from ratchet.artifacts import GROUPS, MANIFEST, Artifact, Manifest
from ratchet.begin import BeginOptions, begin
from ratchet.evaluate.outcomes import OUTCOMES
from ratchet.finish import finish
from ratchet.model_files import CARD
from ratchet.promptset import find, open_part
from ratchet.registry import open_registry
from ratchet.registry.looks import Looks
from ratchet.registry.promotion import history
from ratchet.rounds import Ticket
from ratchet.stage import STEPS, run_ticket
from ratchet.store import Store, open_store
from tests.e2e.rounds import LEARNING, files, fork, killed_after, wait
from tests.micro import MICRO, environment, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KILLS = 20
LOOP = "kills"
JOB = "job"
# Stages that write a shard at a time; the others do their work as a whole.
SHARDED = ("generate", "verify", "filter", "evaluate")
# Which round a stage is killed in: one that samples, and one that ends in a promotion.
SAMPLING = ("begin", "generate", "verify", "filter")


class Undisturbed:
    """A finished small round in a folder, how long its stages took, and copies of it as it was before each."""

    def __init__(self, folder: Path, seed: Path, recipe: str) -> None:
        self.folder, self.recipe = folder, recipe
        self.root = folder / "store"
        self.seconds: dict[str, float] = {}
        self.settings = settings_in(folder)
        loop.init_loop(self.settings, LOOP, str(seed))
        for stage in ("begin", *STEPS, "finish"):
            shutil.copytree(self.root, folder / f"before-{stage}")
            # Once unmeasured, for what a process imports and compiles only once.
            self.run(stage)
            self.restore(stage)
            start = time.perf_counter()
            self.run(stage)
            self.seconds[stage] = time.perf_counter() - start
        self.round = rounds.read_round(self.store, LOOP, 1)
        self.manifests = rounds.manifests(self.store, LOOP, 1)
        end = rounds.read_end(self.store, LOOP, 1)
        assert end is not None
        self.state = end.state

    @property
    def store(self) -> Store:
        return open_store(self.settings.root)

    def restore(self, stage: str) -> None:
        """Put the store back to what it was before `stage`; addresses in it are absolute, so in its own place."""
        shutil.rmtree(self.root)
        shutil.copytree(self.folder / f"before-{stage}", self.root)

    def run(self, stage: str) -> object:
        if stage == "begin":
            return begin(JOB, BeginOptions(loop=LOOP, recipe=self.recipe), self.settings)
        if stage == "finish":
            return finish(JOB, LOOP, self.settings)
        done = rounds.manifests(self.store, LOOP, 1)
        ticket = Ticket(root=self.settings.root, loop=LOOP, number=1, job=JOB, epoch=1)
        return run_ticket(stage, ticket, {p: done[p].uri for p in STEPS[stage].parents}, self.settings)

    def place(self, stage: str) -> Path:
        """Folder of a stage's artifact."""
        return self.root / self.store.key(self.manifests[stage].uri)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_seed: Path) -> Iterator[Callable[[str], Undisturbed]]:
    made: dict[str, Undisturbed] = {}

    def of(stage: str) -> Undisturbed:
        recipe = MICRO if stage in SAMPLING else LEARNING
        if recipe not in made:
            made[recipe] = Undisturbed(tmp_path_factory.mktemp("undisturbed"), tiny_seed, recipe)
        return made[recipe]

    with environment(RATCHET_CACHE=str(tmp_path_factory.mktemp("cache")), TOKENIZERS_PARALLELISM="false"):
        yield of


@pytest.mark.parametrize("stage", ["begin", *STEPS, "finish"])
def test_a_stage_that_is_killed_again_and_again_makes_the_same_once(
    undisturbed: Callable[[str], Undisturbed], stage: str, record_property: Callable[[str, object], None]
) -> None:
    whole = undisturbed(stage)
    chance = random.Random(f"kill {stage}")
    seconds = whole.seconds[stage]
    kills = tries = kept = 0
    while kills < KILLS:
        tries += 1
        assert tries < 10 * KILLS, f"only {kills} of {tries} tries were killed while the stage ran"
        whole.restore(stage)
        # Several kills of the same try in a row: each later one meets what the earlier ones left.
        for _ in range(chance.randint(1, 4)):
            kills += killed_after(lambda: whole.run(stage), chance.uniform(0, seconds))
        finished = finished_files(whole, stage)
        start = time.perf_counter()
        assert wait(fork(lambda: whole.run(stage))) == 0
        # A finished artifact takes no time; else this is how long a stage takes on the machine as it is now.
        seconds = max(time.perf_counter() - start, 0.25 * seconds)
        after = files(whole.root)
        assert {name: after[name] for name in finished} == finished, "finished work was done again"
        kept += len(finished)
        check(whole, stage)
    record_property("kills", kills)
    print(f"\n{stage}: {kills} kills in {tries} tries of about {seconds:.2f} s, {kept} finished files kept")  # noqa: T201


def finished_files(whole: Undisturbed, stage: str) -> dict[str, tuple[int, int]]:
    """The files that a later try has no reason to write again: those of a finished artifact, of finished shards, of a model."""
    if stage in ("begin", "finish"):
        # Those of prompt sets that are complete.
        names = [p.parent for p in whole.root.glob("prompts/*/set.json")]
        return _below(whole.root, names)
    place = whole.place(stage)
    found = _below(whole.root, [p.parent for p in whole.root.glob(f"models/*/*/{CARD}")])
    if (place / MANIFEST).exists():
        return found | _below(whole.root, [place])
    if stage in SHARDED:
        every = files(whole.root)
        notes = [str(p.relative_to(whole.root)) for p in place.glob("shard-*.parquet.json")]
        found |= {name: every[name] for note in notes for name in (note, note.removesuffix(".json"))}
    return found


def _below(root: Path, folders: list[Path]) -> dict[str, tuple[int, int]]:
    places = [str(f.relative_to(root)) + "/" for f in folders]
    return {name: stamp for name, stamp in files(root).items() if any(name.startswith(p) for p in places)}


def check(whole: Undisturbed, stage: str) -> None:
    """The same content as the undisturbed run, one artifact, no row twice; one version, one look, one promotion."""
    store = whole.store
    assert rounds.numbers(store, LOOP) == [1]
    if stage == "begin":
        check_begin(whole, store)
        return
    if stage == "finish":
        end = rounds.read_end(store, LOOP, 1)
        assert end is not None
        assert (end.state, end.champion, end.candidate) == ("PROMOTED", "2", "2")
        assert store.exists(f"{rounds.round_prefix(LOOP, 1)}/report.html")
        return
    made = [m for m in rounds.manifests(store, LOOP, 1).values() if m.stage == stage]
    assert [m.content_digest for m in made] == [whole.manifests[stage].content_digest]
    assert [m.uri for m in made] == [whole.manifests[stage].uri]
    check_rows(store, made[0])
    if stage == "promote":
        registry = open_registry(whole.settings, store)
        assert [v.version for v in registry.versions(LOOP)] == ["1", "2"]
        champion = registry.champion(LOOP)
        assert champion is not None
        assert champion.version == "2"
        assert [(m.intent.kind, m.moved) for m in history(store, LOOP)] == [("seed", True), ("promotion", True)]
        assert Looks(store, whole.round.family).next_number() == 2


def check_begin(whole: Undisturbed, store: Store) -> None:
    same = {"salt", "prompts", "report", "seed", "family"}
    ours = rounds.read_round(store, LOOP, 1)
    assert ours.model_dump(include=same) == whole.round.model_dump(include=same)
    for digest in (ours.prompts, ours.report):
        made = find(store, digest)
        assert made is not None
        for split in made.parts:
            ids = [p.id for p in open_part(store, made, split).rows()]
            assert len(ids) == len(set(ids)) == made.rows[split]


def check_rows(store: Store, made: Manifest) -> None:
    if made.stage in ("generate", "verify", "filter"):
        ids = [g.prompt.id for g in Artifact.open(store, made.uri, GROUPS).rows()]
        assert len(ids) == len(set(ids)) == made.rows
    if made.stage == "evaluate":
        asked = [(o.role, o.prompt_id) for o in Artifact.open(store, made.uri, OUTCOMES).rows()]
        assert len(asked) == len(set(asked)) == made.rows
