"""The hostile corpus against what is no rule; rules have theirs in `test_hostile`, and every verifier must be in one of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import ImageBank
from ratchet.recipe.verifiers import FAMILIES, NAMES, OWN
from ratchet.records import Prompt
from ratchet.tinyworld.draw import pixels
from ratchet.tinyworld.scene import scatter, shapes
from ratchet.verify.environments import DrawState, MazeState, TransformState, environment_rules
from tests.unit.verify.environments.asked import asked, empty_bank, noise, verdict
from tests.unit.verify.judges.asked import ALL, Bench
from tests.unit.verify.measuring import MEASURED
from tests.unit.verify.rules_table import CASES

FILES = sorted((Path(__file__).resolve().parents[2] / "corpus").glob("*.txt"))
WORLDS = ("navigate", "transforms", "words", "svg", "python")
"""Environments, `draw` by its languages."""


def corpus(canary: Path) -> dict[str, str]:
    """Texts by name; those that run something make the file `canary`."""
    read = {file.name: file.read_bytes().decode("utf-8", "surrogatepass") for file in FILES}
    long = {"megabyte": "a" * 1_000_000, "deep": "[" * 100_000, "surrogate": "a\n\ud800\nb"}
    return {name: text.replace("{canary}", str(canary)) for name, text in read.items()} | long


def test_every_verifier_meets_the_hostile_corpus() -> None:
    judged = {one if isinstance(one, str) else one["name"] for one in ALL}
    worlds = {one if one in ("navigate", "transforms") else "draw" for one in WORLDS}
    assert {case.name for case in CASES} | {one["name"] for one in MEASURED} | judged | worlds == NAMES - {OWN}
    assert len(FAMILIES) == 5


@pytest.mark.parametrize("verifier", ALL, ids=lambda one: one if isinstance(one, str) else one["label"])
def test_hostile_answers_to_a_judge_run_nothing_and_leave_the_others_their_verdicts(
    verifier: str | Mapping[str, Any], tmp_path: Path
) -> None:
    texts = corpus(tmp_path / "canary")
    replies = ("yes", "second", "- red cup", "correctness: 4\ngrounding: 4\ncompleteness: 4")
    for number, said in enumerate(replies):
        bench = Bench(tmp_path / str(number), lambda *_, said=said: said, verifier)
        alone, among = bench.verdicts("a cup"), bench.verdicts("a cup", *texts.values())
        if verifier != "pairwise":  # which has no opponent where an answer is alone
            assert among[0] == alone[0]
        for name, one in zip(texts, among[1:], strict=True):
            assert one.error is None, name
            assert one.model_dump_json()
            assert (one.score is None) == (one.passed is None)
        assert among[-1].reason == "refused"
    assert not (tmp_path / "canary").exists()


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> ImageBank:
    return empty_bank(tmp_path_factory.mktemp("bank"))


def world(name: str, bank: ImageBank) -> Prompt:
    if name == "navigate":
        return asked(MazeState(rows=("...", ".#.", "..."), start=(0, 0), goal=(2, 2)), [noise(24)], bank=bank)
    if name == "transforms":
        return asked(TransformState(kind="flip", done=None), [noise(12), noise(12)[:, ::-1]], bank=bank)
    rng = random.Random(1)
    return asked(DrawState.model_validate({"language": name}), [pixels(scatter(rng, shapes(rng, 3)))], bank=bank)


@pytest.mark.parametrize("name", WORLDS)
def test_hostile_answers_in_an_environment_are_contained_and_never_right(
    name: str, bank: ImageBank, tmp_path: Path
) -> None:
    prompt, canary = world(name, bank), tmp_path / "canary"
    assert prompt.environment is not None
    rule = environment_rules(bank)[prompt.environment.name]
    for file, text in corpus(canary).items():
        found = verdict(rule, prompt, text)
        assert found.passed is not True, file
        assert found.model_dump_json()
        assert not canary.exists(), file
