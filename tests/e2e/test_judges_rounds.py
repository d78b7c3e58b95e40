"""Shipped recipes that ask judges, on the tiny world: their stages to the filter, and a judge killed in this process."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet import loop, recipe, rounds
from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.begin import BeginOptions, begin
from ratchet.records import Group, Verdict
from ratchet.rounds import Ticket
from ratchet.stage import STEPS, run_ticket
from ratchet.store import Store, open_store
from ratchet.tinyworld.seed import SEED_DIR
from tests.e2e.rounds import fork as forked
from tests.e2e.rounds import killed_after, wait
from tests.micro import environment, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LOOP, JOB = "judged", "job"
SMALL = {"pool": 45, "validation": 9, "holdout": 45, "report": 18}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with environment(RATCHET_CACHE=str(tmp_path_factory.mktemp("cache")), TOKENIZERS_PARALLELISM="false"):
        yield


class Small:
    """A shipped recipe on few prompts, stage by stage."""

    def __init__(self, folder: Path, name: str, **verify: Any) -> None:
        given = recipe.load(name).model_dump(mode="json", exclude_unset=True)
        given["prompts"] |= SMALL
        given["generate"] |= {"rows_per_file": 15}
        given["verify"] |= verify
        given["promote"] = {"min_items": 9}
        self.folder = folder
        self.settings = settings_in(folder)
        loop.init_loop(self.settings, LOOP, str(SEED_DIR))
        begin(JOB, BeginOptions(loop=LOOP, recipe=yaml.safe_dump(given)), self.settings)

    @property
    def store(self) -> Store:
        return open_store(self.settings.root)

    def run(self, stage: str) -> Manifest:
        done = rounds.manifests(self.store, LOOP, 1)
        ticket = Ticket(root=self.settings.root, loop=LOOP, number=1, job=JOB, epoch=1)
        return run_ticket(stage, ticket, {p: done[p].uri for p in STEPS[stage].parents}, self.settings)

    def groups(self, manifest: Manifest) -> list[Group]:
        return list(Artifact.open(self.store, manifest.uri, GROUPS).rows())


def verdicts(groups: list[Group], name: str) -> list[Verdict]:
    return [v for group in groups for c in group.completions for v in c.verdicts if v.verifier == name]


@pytest.mark.parametrize(
    ("name", "verifier"), [("rlaif-v", "claims"), ("self-check", "self_check"), ("visualprm", "step_values")]
)
def test_a_shipped_recipe_judges_with_the_seed_and_the_filter_keeps_what_it_likes(
    tmp_path: Path, name: str, verifier: str
) -> None:
    small = Small(tmp_path, name)
    small.run("generate")
    verified = small.run("verify")
    found = verdicts(small.groups(verified), verifier)
    reasons = Counter(v.reason for v in found)
    assert len(found) == verified.counts["completions"]
    assert reasons["accepted"] > 0.3 * len(found)
    assert reasons["rejected"] > 0
    assert all(v.error is None for v in found)
    spent = verified.results["spent"]["seed"]
    assert spent["calls"] > 0
    assert spent["tokens_in"] > 10 * spent["calls"]
    kept = small.run("filter")
    assert kept.counts["kept"] > 0 if "kept" in kept.counts else kept.rows > 0


def test_a_stage_whose_judge_runs_in_it_is_killed_and_has_the_same_rows(tmp_path: Path) -> None:
    small = Small(tmp_path, "rlaif-v")
    small.run("generate")
    before = tmp_path / "before"
    shutil.copytree(tmp_path / "store", before)
    start = time.perf_counter()
    whole = small.run("verify")
    seconds = time.perf_counter() - start
    chance = random.Random(5)
    kills = tries = 0
    while kills < 6:
        tries += 1
        assert tries < 40
        shutil.rmtree(tmp_path / "store")
        shutil.copytree(before, tmp_path / "store")
        for _ in range(3):
            kills += killed_after(lambda: small.run("verify"), chance.uniform(0, seconds))
        assert wait(forked(lambda: small.run("verify"))) == 0
        after = rounds.manifests(small.store, LOOP, 1)["verify"]
        assert after.content_digest == whole.content_digest
        assert after.results["spent"] == whole.results["spent"]
