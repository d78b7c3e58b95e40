"""CHAIR and AMBER as what the gate decides by: a candidate that says nothing, or much less, makes fewer mistakes and must not win."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ratchet.evaluate.outcomes import ModelRole, Outcome
from ratchet.evaluate.suites.asking import objects_of
from ratchet.evaluate.suites.base import Question
from ratchet.recipe import GuardsConfig, PrimaryConfig, PromoteConfig
from ratchet.registry.gate import GateDecision, decide
from tests.benchmarks import mark_of, questions
from tests.unit.evaluate.suites import test_amber, test_chair

PICTURES = 240
Says = Callable[[int], str]
FULL = "A person stands beside a motorcycle, near a cow"
SEES = "The person stands on the grass by the lake, under the sky"


def chair(where: Path) -> Question:
    return questions("chair", test_chair.folder(where))[0]


def amber(where: Path) -> Question:
    return questions("amber", test_amber.folder(where), "generative")[0]


SUITES = {
    "chair": (chair, FULL, ", and a dog.", "There is a person."),
    "amber": (amber, SEES, ", with a bird.", "The sky."),
}


def outcomes(suite: str, question: Question, role: ModelRole, says: Says) -> list[Outcome]:
    return [_outcome(suite, question, role, number, says(number)) for number in range(PICTURES)]


def _outcome(suite: str, question: Question, role: ModelRole, number: int, text: str) -> Outcome:
    mark = mark_of(suite, question, text)
    return Outcome(
        prompt_id=f"p{number:03d}", split_key=f"image-{number}", skill=suite, role=role, text=text, correct=mark.correct,
        score=mark.score, reason=mark.reason, unparsed=mark.said is None, clipped=False, suite=suite, item=str(number),
        **objects_of(mark),
    )  # fmt: skip


def gate(suite: str, question: Question, champion: Says, candidate: Says, **guards: float | None) -> GateDecision:
    held = Outcome(
        prompt_id="held", split_key="held", skill="s", role="champion", text="", correct=True, score=1.0, reason="match",
        unparsed=False, clipped=False,
    )  # fmt: skip
    rows = [held, held.model_copy(update={"role": "candidate"})]
    rows += outcomes(suite, question, "champion", champion) + outcomes(suite, question, "candidate", candidate)
    off = GuardsConfig(skill=None, chair_i=None, pass_at_k=None, yes_ratio=None, **guards)
    return decide(rows, PromoteConfig(primary=PrimaryConfig(suite=suite), guards=off), 1)


@pytest.mark.parametrize("suite", SUITES)
def test_a_candidate_that_says_nothing_or_little_is_refused(suite: str, tmp_path: Path) -> None:
    make, full, wrong, short = SUITES[suite]
    question = make(tmp_path)

    def champion(number: int) -> str:
        return full + (wrong if number % 2 else ".")

    silent = gate(suite, question, champion, lambda _: "")
    assert (silent.promote, silent.reason) == (False, "not-better")
    assert silent.candidate.value == 0.0
    terse = gate(suite, question, champion, lambda _: short)
    assert terse.candidate.value == 1.0 > terse.champion.value, "by its score alone it wins"
    assert (terse.promote, terse.reason) == (False, "guard-failed")
    (guard,) = terse.guards
    assert (guard.name, guard.passed, guard.n) == (f"cover:{suite}", False, PICTURES)
    assert guard.candidate < guard.champion
    assert f"Guard cover:{suite} fails: share of what is there that is named is" in " ".join(terse.sentences)
    assert gate(suite, question, champion, lambda _: short, cover=None).promote, "the guard can be switched off"


@pytest.mark.parametrize("suite", SUITES)
def test_a_candidate_that_says_as_much_and_makes_fewer_mistakes_is_promoted(suite: str, tmp_path: Path) -> None:
    make, full, wrong, _ = SUITES[suite]
    question = make(tmp_path)
    found = gate(
        suite, question, lambda n: full + (wrong if n % 2 else "."), lambda n: full + (wrong if n % 8 == 0 else ".")
    )
    assert (found.promote, found.reason) == (True, "better")
    assert [(one.name, one.passed) for one in found.guards] == [(f"cover:{suite}", True)]


def test_a_suite_that_only_guards_is_watched_as_well(tmp_path: Path) -> None:
    question = chair(tmp_path)
    rows = outcomes("chair", question, "champion", lambda _: FULL)
    rows += outcomes("chair", question, "candidate", lambda _: "There is a person.")
    for role in ("champion", "candidate"):
        rows += [
            Outcome(
                prompt_id=f"h{n:03d}", split_key=f"h{n}", skill="s", role=role, text="", correct=role == "candidate" or n % 2 == 0,
                score=None, reason="", unparsed=False, clipped=False,
            )
            for n in range(PICTURES)
        ]  # fmt: skip
    guards = GuardsConfig(skill=None, chair_i=None, pass_at_k=None, yes_ratio=None, suites={"chair": 0.05})
    found = decide(rows, PromoteConfig(guards=guards), 1)
    assert {one.name: one.passed for one in found.guards} == {"suite:chair": True, "cover:chair": False}
    assert found.reason == "guard-failed"
