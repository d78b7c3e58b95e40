"""Texts of known truth: forms keep the meaning, corruptions do not, and nothing is drawn anew."""

from __future__ import annotations

import pytest

from ratchet.records import Group, Prompt
from ratchet.tinyworld import SKILLS, items
from ratchet.tinyworld.oracle import is_right
from ratchet.tinyworld.world import prompt_of
from ratchet.verify import VERIFIERS
from ratchet.verify.audit.probes import Probe, forms, lexicon_for, probes
from ratchet.verify.environments import MazeState, for_prompts, maze
from tests import rows
from tests.unit.verify.environments.asked import asked
from tests.unit.verify.rules_table import CASES, Case
from tests.unit.verify.rules_table import asked as about


def of_world(number: int = 90) -> list[tuple[Prompt, tuple[Probe, ...], object]]:
    made = [(prompt_of(item)[0], item) for item in items("validation", number, 3)]
    prompts = [prompt for prompt, _ in made]
    lexicon = lexicon_for(None, prompts)
    found = []
    for prompt, item in made:
        others = [one for one in prompts if one.skill == prompt.skill]
        found.append((prompt, probes(prompt, others, VERIFIERS, lexicon, 1), item))
    return found


def test_every_corruption_of_the_tiny_worlds_answers_is_wrong_by_its_oracle() -> None:
    kinds: dict[str, set[str]] = {}
    for prompt, made, item in of_world():
        for probe in made:
            if probe.sort == "corrupted":
                kinds.setdefault(prompt.skill, set()).add(probe.kind)
                assert not is_right(item, probe.text), (prompt.question, prompt.reference, probe)  # type: ignore[arg-type]
    assert set(kinds) == set(SKILLS)
    assert {kind for one in kinds.values() for kind in one} >= {
        "rule_numeric", "rule_objects", "other_answer", "inject_insert", "inject_count", "in_a_sentence",
    }  # fmt: skip


def test_every_prompt_has_its_reference_as_gold_and_the_same_probes_again() -> None:
    for (prompt, made, _), (_, again, _) in zip(of_world(18), of_world(18), strict=True):
        assert made[0] == Probe(prompt.reference or "", "gold", "plain")
        assert made == again
        assert sum(probe.sort == "gold" for probe in made) == 1


@pytest.mark.parametrize(
    ("reference", "kinds"),
    [
        ("red circle", {"tagged", "boxed", "sentence", "punctuated", "upper"}),
        ("3 cm", {"tagged", "boxed", "sentence", "punctuated"}),
        ("x", {"tagged", "boxed", "sentence", "punctuated"}),
        ('{"a": 1}', {"tagged"}),
        ("<svg/>", {"tagged"}),
        (" ".join(["word"] * 13), {"tagged"}),
    ],
)
def test_only_what_keeps_the_meaning_is_a_form(reference: str, kinds: set[str]) -> None:
    assert {kind for kind, _ in forms(reference)} == kinds


def test_an_answer_for_an_environment_is_only_tagged_and_made_wrong_by_its_own_rule() -> None:
    state = MazeState(rows=("...", ".#.", "..."), start=(0, 0), goal=(2, 2))
    prompt = asked(state, [maze.picture(state)], "right right down down")
    verifiers = for_prompts(None)
    made = probes(prompt, [prompt], verifiers, lexicon_for(None, [prompt]), 0)
    assert [probe.kind for probe in made] == ["plain", "tagged", "rule_navigate"]
    texts = tuple(rows.completion(index, probe.text) for index, probe in enumerate(made))
    (verdicts,) = verifiers["navigate"].verify([Group(prompt=prompt, completions=texts)])
    assert [verdict.passed for verdict in verdicts] == [True, True, False]


def test_nobody_knows_a_right_answer_to_an_environment_without_reference() -> None:
    state = MazeState(rows=("...", ".#.", "..."), start=(0, 0), goal=(2, 2))
    prompt = asked(state, [maze.picture(state)])
    assert probes(prompt, (), for_prompts(None), lexicon_for(None, [prompt]), 0) == ()


def test_anothers_reference_that_says_the_same_is_no_corruption() -> None:
    prompt = rows.prompt(1, "red circle , blue square", ("objects",))
    other = rows.prompt(2, "blue square , red circle", ("objects",))
    made = probes(prompt, [prompt, other], VERIFIERS, lexicon_for("english", [prompt]), 0)
    assert "other_answer" not in {probe.kind for probe in made}


COMPARING = [
    case for case in CASES if case.name in VERIFIERS and getattr(VERIFIERS[case.name], "needs_reference", True)
]


@pytest.mark.parametrize("case", COMPARING, ids=str)
def test_every_rule_accepts_its_reference_and_rejects_all_that_is_made_wrong_of_it(case: Case) -> None:
    prompt = about(case.question, case.reference, case.name)
    made = [p for p in probes(prompt, [prompt], VERIFIERS, lexicon_for("english", [prompt]), 1) if p.sort != "form"]
    texts = tuple(rows.completion(index, probe.text) for index, probe in enumerate(made))
    (verdicts,) = VERIFIERS[case.name].verify([Group(prompt=prompt, completions=texts)])
    assert f"rule_{case.name}" in {probe.kind for probe in made}
    # `holds` asks only whether the label's words stand in the answer; what stands beside them is not its business.
    beside = case.name == "holds"
    judged = [not (beside and p.sort != "gold" and case.reference in p.text) for p in made]
    made, verdicts = [[one for one, use in zip(ones, judged, strict=True) if use] for ones in (made, verdicts)]
    assert [(p.text, v.passed) for p, v in zip(made, verdicts, strict=True)] == [
        (p.text, p.sort == "gold") for p in made
    ]


def test_an_ordering_is_made_wrong_by_its_order() -> None:
    prompt = rows.prompt(1, "cat , dog , cow", ("ordering",))
    made = {p.kind: p.text for p in probes(prompt, [], VERIFIERS, lexicon_for("english", [prompt]), 0)}
    assert sorted(made["rule_ordering"].replace(",", " ").split()) == ["cat", "cow", "dog"]
