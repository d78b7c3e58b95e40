"""The recipes whose point is curation, from generate to filter on the tiny world, with a real seed and fewer prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet import recipe as recipes
from ratchet.artifacts import GROUPS, Artifact, Manifest, ModelRef
from ratchet.filter.excluded import read_excluded
from ratchet.importing.tinyworld import tinyworld_set
from ratchet.promptset import SPLIT_NAMES
from ratchet.records import Group
from ratchet.rounds import Round, RoundEnd, write_end, write_round
from ratchet.stage import context_of, run_step
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR

pytestmark = pytest.mark.slow
LOOP = "curation"


@pytest.fixture
def place(tmp_path: Path) -> tuple[FolderStore, ModelRef]:
    store = FolderStore(str(tmp_path))
    return store, models.upload(store, SEED_DIR, "seed")


def filtered(place: tuple[FolderStore, ModelRef], name: str, number: int = 1, **filtering: Any) -> Manifest:
    """The filter's artifact of a round of the recipe over 90 prompts."""
    store, seed = place
    small = recipes.PromptsConfig(pool=90, validation=9, holdout=9, report=9)
    prompts = tinyworld_set(store, salt=f"{name}-{number}", config=small, splits=SPLIT_NAMES, name=f"{name}-{number}")
    raw = recipes.load(name).model_dump(mode="json")
    raw["filter"].update(filtering)
    opened = Round(
        loop=LOOP, number=number, salt=f"{name}-{number}", job="j", seed=seed, recipe=recipes.parse(raw),
        prompts=prompts.digest, report=prompts.digest, family="f", code_revision="test",
    )  # fmt: skip
    write_round(store, opened)
    made: Manifest | None = None
    for stage in ("generate", "verify", "filter"):
        parents = {} if made is None else {made.stage: made}
        made = run_step(context_of(stage, store, opened, parents))
    assert made is not None
    return made


def rows(store: FolderStore, manifest: Manifest) -> list[Group]:
    return list(Artifact.open(store, manifest.uri, GROUPS).rows())


def test_the_curated_set_keeps_to_its_band_its_caps_and_its_number(place: Any) -> None:
    diversity = {"keep": 12, "by": "pictures", "method": "clusters", "clusters": 4}
    made = filtered(place, "curated", diversity=diversity, per_pass_rate=5)
    rates = made.results["pass_rates"]
    assert 0 < made.rows <= 12
    assert {name for name, counts in rates.items() if counts["kept"]} <= {"0.2-0.4", "0.4-0.6", "0.6-0.8"}
    assert all(counts["kept"] <= 5 for counts in rates.values())
    dropped = [row.reason for row in read_excluded(place[0], made)]
    assert len(dropped) + made.rows == 90
    assert {"too_easy", "too_hard", "not_diverse"} <= set(dropped)


def test_a_later_round_of_replay_learns_from_the_promoted_one_again(place: Any) -> None:
    first = filtered(place, "replay")
    assert first.counts["replayed"] == 0
    write_end(place[0], LOOP, 1, RoundEnd(state="PROMOTED", reason="test", job="j"))
    second = filtered(place, "replay", number=2)
    again = [group for group in rows(place[0], second) if group.replayed == 1]
    assert len(again) == second.counts["replayed"] == second.counts["kept"] // 4
    assert {group.prompt.id for group in again} <= {group.prompt.id for group in rows(place[0], first)}


def test_judge_free_compares_every_pair_with_how_much_each_answer_hangs_on_the_picture(place: Any) -> None:
    made = filtered(place, "judge-free")
    assert "pairs_uncompared" not in made.counts
    for group in rows(place[0], made):
        scores = {c.index: next(v.score for v in c.verdicts if v.verifier == "conditioning") for c in group.completions}
        assert all(scores[pair.chosen] >= scores[pair.rejected] for pair in group.pairs)
    assert made.results["pairs"] > 0
