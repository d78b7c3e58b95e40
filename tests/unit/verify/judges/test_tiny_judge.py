"""Judges that really run: the tiny seed in this process and behind its server say the same, and claims of lists are told apart."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import ImageBank
from ratchet.generate.engines.local import TransformersEngine
from ratchet.recipe import parse
from ratchet.records import Completion, Group, Sampling, Verdict
from ratchet.store import FolderStore
from ratchet.tinyworld import items, prompt_of
from ratchet.tinyworld import teacher as teaching
from ratchet.tinyworld.scene import KINDS
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.verify import parse_objects
from ratchet.verify.panel import panel_of
from ratchet.verify.tools import Tools
from tests import tiny
from tests.unit.verify.judges.asked import SEED

CLAIMS = {"name": "claims", "splitter": "list", "template": "is there a {claim} ?"}
AGAIN = {"name": "self_check", "expects": "answer", "template": "look carefully . {question}"}
SHORT = {"max_new_tokens": 20, "batch_size": 64}


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Group], ImageBank]:
    """Captions of the tiny world, each with one of which an object was replaced by one that is not there."""
    made = [prompt_of(item) for item in items("validation", 450, 3)]
    made = [one for one in made if one[0].skill == "caption"]
    pictures = {sha: data for _, shown in made for sha, data in shown.items()}
    bank = tiny.bank(FolderStore(str(tmp_path_factory.mktemp("captions"))), pictures)
    chance = random.Random(1)
    return [group(p, [p.reference or "", corrupted(p.reference or "", chance)]) for p, _ in made], bank


@pytest.fixture(scope="module")
def seed(captions: tuple[list[Group], ImageBank]) -> TransformersEngine:
    return TransformersEngine(SEED_DIR, captions[1], "seed", batch_size=64)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with teaching.serving(teaching.Teacher()) as address:
        yield address


def group(prompt: Any, texts: list[str]) -> Group:
    drawn = Sampling(seed=0, temperature=0, max_new_tokens=8)
    said = (
        Completion(index=i, text=text, finish_reason="stop", sampling=drawn, n_tokens=1, model="m")
        for i, text in enumerate(texts)
    )
    return Group(prompt=prompt, completions=tuple(said))


def corrupted(caption: str, chance: random.Random) -> str:
    listed = caption.split(" , ")
    there = parse_objects(caption)
    listed[chance.randrange(len(listed))] = chance.choice([" ".join(k) for k in KINDS if " ".join(k) not in there])
    return " , ".join(listed)


def judged(
    folder: Path,
    groups: list[Group],
    bank: ImageBank,
    verifier: dict[str, Any],
    judges: dict[str, Any],
    engine: Any = None,
) -> tuple[list[list[Verdict]], dict[str, dict[str, int]]]:
    config = parse({"name": "t", "verify": {"verifiers": verifier, "judges": judges}}).verify
    tools = Tools(FolderStore(str(folder)), bank, SEED, config.judges, {}, 0)
    if engine is not None:
        tools._engines["seed"] = engine
    (name,) = panel_of(config, tools).names or ()
    try:
        found = panel_of(config, tools).verifiers[name].verify(groups)
        return found, {judge: dict(counts) for judge, counts in tools.spending.take().items()}
    finally:
        tools._engines.pop("seed", None)
        tools.close()


def test_the_seed_accepts_most_captions_and_rejects_most_of_the_corrupted_ones(
    tmp_path: Path, captions: Any, seed: Any
) -> None:
    groups, bank = captions
    rows, spent = judged(tmp_path, groups, bank, CLAIMS, {"seed": SHORT}, seed)
    gold, bad = ([row[i].passed for row in rows] for i in (0, 1))
    assert sum(map(bool, gold)) > 0.6 * len(gold)
    assert sum(one is False for one in bad) > 0.8 * len(bad)
    assert spent["seed"]["tokens_in"] > 15 * spent["seed"]["calls"] > 0


def test_a_served_seed_judges_as_the_one_in_this_process(tmp_path: Path, captions: Any, seed: Any, url: str) -> None:
    groups, bank = captions[0][:12], captions[1]
    served = {"j": {"engine": {"kind": "endpoint", "url": url, "serves": "seed", "concurrency": 4}, **SHORT}}
    for verifier in (CLAIMS, CLAIMS | {"by": "likelihood", "combine": "min"}, AGAIN):
        here, cost = judged(tmp_path / "here", groups, bank, verifier, {"seed": SHORT}, seed)
        there, cost_there = judged(tmp_path / "there", groups, bank, verifier | {"judge": "j"}, served)
        assert [plain(row) for row in here] == [plain(row) for row in there]
        assert cost["seed"] == cost_there["j"]


def plain(row: list[Verdict]) -> list[tuple[Any, ...]]:
    """Without the judge's name; likelihoods to three digits."""
    return [(None if v.score is None else round(v.score, 3), v.reason, v.tokens) for v in row]


def test_the_seed_goes_on_from_each_step_and_rules_look_at_the_ends(tmp_path: Path, captions: Any, seed: Any) -> None:
    groups, bank = captions
    some = [g for g in groups if " , " in (g.prompt.reference or "")][:12]
    config = {"name": "step_values", "split": " , ", "continuations": 4, "combine": "min"}
    rows, _ = judged(tmp_path, some, bank, config, {"seed": SHORT}, seed)
    gold, bad = ([row[i].score for row in rows] for i in (0, 1))
    assert None not in (*gold, *bad)
    assert all(math.isclose(one * 4, round(one * 4)) for one in (*gold, *bad))
    assert sum(gold) > sum(bad)
    assert set(bad) == {0.0}, "the last step of a wrong caption is a wrong end"
    again, spent = judged(tmp_path, some, bank, config, {"seed": SHORT}, seed)
    assert again == rows
    assert "calls" not in spent["seed"]
