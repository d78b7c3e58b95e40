"""Who supplies what, and the level that follows from it."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet import autonomy, recipe
from ratchet.autonomy import (
    CHECKERS,
    LEVELS,
    ORDER,
    Autonomy,
    Checker,
    Level,
    Supplier,
    autonomy_of,
    decided_by_person,
    level,
)
from ratchet.recipe.strategies.questions import AskingBase, QuestionFamily

FIELDS = tuple(Autonomy.model_fields)
VALUES = {name: CHECKERS if name == "verification" else ORDER for name in FIELDS}
ALL = [Autonomy(**dict(zip(FIELDS, four, strict=True))) for four in itertools.product(*VALUES.values())]
CHOICES = st.sampled_from(FIELDS).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(VALUES[name])))


def suppliers(prompts: str, answers: str, verification: str, decision: str) -> Autonomy:
    return Autonomy(prompts=prompts, answers=answers, verification=verification, decision=decision)


def of(source: str = "", **parts: Any) -> autonomy.RoundAutonomy:
    return autonomy_of(recipe.parse({"name": "one", **parts}), source)


def test_every_combination_has_a_level_and_all_levels_occur() -> None:
    assert len(ALL) == 5**3 * 6
    assert {level(one) for one in ALL} == set(LEVELS) == set(get_args(Level))
    assert set(ORDER) == set(get_args(Supplier))
    assert set(CHECKERS) == set(get_args(Checker))


@pytest.mark.parametrize(
    ("four", "expected"),
    [
        (("human", "human", "human", "human"), "A0"),
        (("human", "external", "external", "human"), "A1"),
        (("human", "self", "human", "rule"), "A2"),
        (("human", "self", "rule", "rule"), "A2"),
        (("human", "self", "external", "rule"), "A3"),
        (("human", "self", "self", "rule"), "A4"),
        (("self", "self", "self", "rule"), "A5"),
        (("self", "self", "environment", "rule"), "A5"),
    ],
)
def test_the_definitions_own_examples_have_their_levels(four: tuple[str, ...], expected: str) -> None:
    assert level(suppliers(*four)) == expected


@pytest.mark.parametrize(
    ("four", "expected"),
    [
        (("rule", "rule", "rule", "rule"), "A0"),
        (("human", "environment", "self", "rule"), "A1"),
        (("self", "self", "rule", "rule"), "A2"),
        (("self", "self", "external", "rule"), "A3"),
        (("self", "self", "self", "human"), "A4"),
        (("human", "self", "environment", "rule"), "A4"),
        (("self", "self", "nobody", "rule"), "A2"),
        (("human", "self", "nobody", "rule"), "A2"),
        (("self", "external", "nobody", "rule"), "A1"),
    ],
)
def test_edge_cases_are_as_documented(four: tuple[str, ...], expected: str) -> None:
    assert level(suppliers(*four)) == expected


@given(one=st.sampled_from(ALL), choice=CHOICES)
def test_more_autonomy_in_one_of_the_four_never_lowers_the_level(one: Autonomy, choice: tuple[str, Checker]) -> None:
    name, other = choice
    less, more = sorted((getattr(one, name), other), key=CHECKERS.index)
    assert level(one.model_copy(update={name: less})) <= level(one.model_copy(update={name: more}))


def test_the_tiny_worlds_recipes_are_asked_by_a_rule_and_checked_by_rules() -> None:
    found = of()
    assert (found.prompts, found.answers, found.verification, found.decision) == ("rule", "self", "rule", "rule")
    assert (found.level, found.checked, len(found.mixture)) == ("A2", True, 1)
    assert found.sentence == (
        "A2: a procedural world asks, the model answers, labels or rules check, and the gate decides."
    )


@pytest.mark.parametrize(
    ("source", "supplier"), [("vqa /data/vqa.parquet", "human"), ("qa-Synthetic s3://b/x", "external")]
)
def test_an_imported_set_is_peoples_unless_it_says_that_it_was_generated(source: str, supplier: str) -> None:
    assert of(source, prompts={"source": "vqa"}).prompts == supplier


@pytest.mark.parametrize(("world", "supplier"), [("tinyworld", "rule"), ("vqa", "human")])
def test_labels_as_answers_are_a0(world: str, supplier: str) -> None:
    for strategy in ("reference", {"name": "captioned", "answers": "reference"}):
        found = of(prompts={"source": world}, generate={"strategy": strategy, "k": 1})
        assert (found.answers, found.level) == (supplier, "A0")


@pytest.mark.parametrize(
    ("engine", "supplier"),
    [
        ("transformers", "self"),
        ("vllm", "self"),
        ({"kind": "endpoint", "serves": "seed"}, "self"),
        ({"kind": "endpoint", "serves": "teacher"}, "external"),
    ],
)
def test_the_engine_says_who_answers_and_who_asks(engine: Any, supplier: str) -> None:
    found = of(generate={"engine": engine, "strategy": "visplay"})
    assert (found.prompts, found.answers, found.verification) == (supplier, supplier, supplier)
    assert found.level == {"self": "A5", "external": "A1"}[supplier]


def test_where_nobody_checks_it_is_said() -> None:
    found = of(verify={"policy": "none"})
    assert (found.verification, found.checked, found.level) == ("nobody", False, "A2")
    assert found.sentence == "A2: a procedural world asks, the model answers, nobody checks, and the gate decides."


def test_answers_to_a_pool_of_pictures_are_checked_by_nobody_unless_the_recipe_names_who() -> None:
    found = of("album /data/album", prompts={"pictures": "album"})
    assert found.sentence == "A2: people ask, the model answers, nobody checks, and the gate decides."
    assert (found.verification, found.checked) == ("nobody", False)
    named = of("album /data/album", prompts={"pictures": "album"}, verify={"verifiers": ["exact"]})
    assert (named.verification, named.checked) == ("rule", True)
    voted = of(prompts={"pictures": "album"}, generate={"strategy": "visplay"})
    assert (voted.level, voted.verification) == ("A5", "self")


@pytest.mark.parametrize("strategy", ["random", {"name": "ask", "label": "none"}, "visplay"])
@pytest.mark.parametrize("pictures", [None, "album"])
def test_a_recipe_does_not_rise_by_dropping_its_checks(strategy: Any, pictures: str | None) -> None:
    parts = {"prompts": {"pictures": pictures}, "generate": {"strategy": strategy}}
    unchecked = of(verify={"policy": "none"}, **parts)
    for verify in ({}, {"verifiers": ["exact"]}):
        assert unchecked.level <= of(verify=verify, **parts).level


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({"name": "ask", "label": "votes"}, ("self", "A5", True)),
        ({"name": "ask", "label": "none"}, ("nobody", "A2", False)),
        ({"name": "ask_check_rewrite", "label": "votes"}, ("self", "A5", True)),
        ("visplay", ("self", "A5", True)),
        ("harder", ("rule", "A2", True)),
    ],
)
def test_own_questions_are_checked_by_votes_or_by_the_label_that_they_keep(strategy: Any, expected: Any) -> None:
    found = of(generate={"strategy": strategy})
    assert (found.prompts, found.verification, found.level, found.checked) == ("self", *expected)


def test_a_model_that_supplies_all_is_told_in_one_sentence() -> None:
    told = of(generate={"strategy": "visplay"}).sentence
    assert told == "A5: the model asks and answers, the model checks itself, and the gate decides."


def test_every_strategy_that_asks_makes_its_own_prompts() -> None:
    for config in get_args(QuestionFamily):
        assert issubclass(config, AskingBase)
        assert of(generate={"strategy": config.model_fields["name"].default}).prompts == "self"


def test_a_mixture_has_the_level_of_its_least_autonomous_part() -> None:
    mix = [{"name": "visplay", "weight": 3}, {"name": "random", "weight": 1}]
    found = of(generate={"strategy": mix})
    assert [(one.strategy, one.share, one.level) for one in found.mixture] == [
        ("visplay", 0.75, "A5"),
        ("random", 0.25, "A2"),
    ]
    assert (found.level, found.prompts) == ("A2", "rule")
    assert found.sentence.startswith(
        "A2, the level of the least autonomous part of a mixture (visplay 75% at A5, random 25% at A2): "
    )


def test_a_person_who_promotes_is_the_one_who_decides() -> None:
    found = of(generate={"strategy": "visplay"})
    moved = decided_by_person(found)
    assert (found.level, moved.level, moved.decision) == ("A5", "A4", "human")
    assert "a person decides" in moved.sentence
    assert decided_by_person(moved) == moved


@pytest.mark.parametrize(
    ("verify", "checker", "expected"),
    [
        ({"verifiers": "majority"}, "self", "A4"),
        ({"verifiers": "rubric"}, "self", "A4"),
        ({"verifiers": {"name": "rubric", "judge": "j"}, "judges": {"j": {"model": "hf://a/b"}}}, "external", "A3"),
        ({"verifiers": {"name": "rubric", "judge": "j"}, "judges": {"j": {"engine": "endpoint"}}}, "external", "A3"),
        ({"verifiers": "navigate"}, "environment", "A4"),
        ({"verifiers": "step_values"}, "rule", "A2"),
        ({"verifiers": "pairwise"}, "self", "A4"),
        ({"verifiers": {"name": "pairwise", "against": "reference"}}, "rule", "A2"),
        ({"verifiers": ["prompt", "majority"]}, "rule", "A2"),
    ],
)
def test_who_verifies_follows_from_what_verifiers_decide_from(verify: Any, checker: str, expected: str) -> None:
    found = of(verify=verify)
    assert (found.verification, found.level) == (checker, expected)


def test_it_comes_back_from_json_as_it_was() -> None:
    found = of(generate={"strategy": [{"name": "random"}, {"name": "prompted"}]})
    assert autonomy.RoundAutonomy.model_validate_json(found.model_dump_json()) == found
