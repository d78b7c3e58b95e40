"""Checks, rewriting, difficulty and failures of question generation, with an engine that says what a test makes it say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ratchet.errors import RecipeError
from ratchet.generate.engine import Answer, Request
from ratchet.generate.strategies import STRATEGIES
from ratchet.generate.tally import Tally
from ratchet.records import Group, Prompt
from tests.asking import Scripted, by_kind, kind, made, note, pictures, reasons, recipe
from tests.rows import prompt


def test_the_models_own_no_refuses_a_question_and_only_a_clear_yes_lets_it_pass():
    words = ["Yes.", "no", "unanswerable", "yes and no"]

    def checks(request: Request, _: int) -> str:
        return words[[p.images for p in pictures(4)].index(request.images)]

    strategy = "{name: ask, checks: {answerable: 'fit? {question}'}}"
    groups, engine = made(strategy, by_kind(ask="What?", check=checks, solve="red"), pictures(4))
    assert reasons(groups) == [None] + ["unanswerable"] * 3
    assert engine.params[1].temperature == 0
    assert engine.calls[1][0].messages[0].content == "fit? What?"


def test_answers_that_differ_too_much_refuse_a_question_without_a_label():
    strategy = "{name: ask, checks: {consistent: 0.6}}"
    (group,), _ = made(strategy, by_kind(ask="What?", solve=["1", "2", "3", "1"]), pictures(1))
    assert (group.reason, note(group.completions[0], "agreement")) == ("inconsistent", 0.5)
    (group,), _ = made(strategy, by_kind(ask="What?", solve=["1", "2", "1", "1"]), pictures(1))
    assert (group.reason, group.prompt.reference) == (None, None)


@pytest.mark.parametrize(("blind", "reason", "share"), [(["3"], "answerable_blind", 1.0), (["3", "5"], None, 0.5)])
def test_a_question_that_is_answered_alike_without_its_picture_is_refused(blind, reason, share):
    strategy = "{name: ask, label: votes, checks: {blind: 0.6}}"
    script = by_kind(ask="How many?", solve="3", blind=blind)
    (group,), engine = made(strategy, script, pictures(1))
    assert group.reason == reason
    assert note(group.completions[0], "blind_agreement") == share
    assert [r.images for r in engine.calls[-1]] == [()]
    assert len(group.completions) == 4, "blind answers are no completions"


def test_what_cannot_be_answered_is_rewritten_as_often_as_the_recipe_says():
    first, second, third = pictures(3)

    def checks(request: Request, _: int) -> str:
        question = request.messages[0].content
        return "yes" if "good" in question else "no"

    def asks(request: Request, _: int) -> str:
        return "good one?" if request.images == first.images else "bad?"

    def rewrites(request: Request, _: int) -> str:
        assert "bad" in request.messages[0].content
        return "good at last?" if request.images == second.images and request.id.endswith("/2") else "bad again?"

    strategy = "{name: ask_check_rewrite, check: 'fit? {question}', rewrite: 'mend {question}', rewrites: 2}"
    script = by_kind(ask=asks, check=checks, rewrite=rewrites, solve="red")
    groups, engine = made(strategy, script, [first, second, third])
    assert reasons(groups) == [None, None, "unanswerable"]
    assert [g.prompt.question for g in groups] == ["good one?", "good at last?", "bad again?"]
    assert [note(g.completions[0], "rewrites") for g in groups[:2]] == [0, 2]
    assert [len(call) for call in engine.calls] == [3, 3, 2, 2, 2, 2, 2]


def test_without_rewrites_the_first_no_is_final_and_an_unreadable_rewriting_says_so():
    strategy = "{name: ask_check_rewrite, check: 'fit? {question}', rewrites: %d}"
    groups, engine = made(strategy % 0, by_kind(ask="What?", check="no"), pictures(1))
    assert (reasons(groups), len(engine.calls)) == (["unanswerable"], 2)
    (group,), engine = made(strategy % 3, by_kind(ask="What?", check="no", rewrite="I cannot"), pictures(1))
    assert (group.reason, len(engine.calls)) == ("unreadable_question", 3)
    assert (group.prompt.id, group.completions[0].text) == (pictures(1)[0].id, "I cannot")


def test_questions_outside_of_the_band_are_too_easy_or_too_hard_and_keep_their_answers():
    answers = {"easy?": ["1"], "right?": ["1", "1", "2", "3"], "hard?": ["1", "2", "3", "4"]}

    def asks(request: Request, _: int) -> str:
        return list(answers)[int(request.id[-1])]

    def solves(request: Request, number: int) -> str:
        return answers[request.messages[0].content][number % len(answers[request.messages[0].content])]

    strategy = "{name: visplay, questions: 3, band: [0.3, 0.8], solve: '{question}'}"
    groups, _ = made(strategy, by_kind(ask=asks, solve=solves), pictures(1))
    assert reasons(groups) == ["too_easy", None, "too_hard"]
    assert [note(g.completions[0], "agreement") for g in groups] == [1, 0.5, 0.25]
    assert [note(g.completions[0], "reward") for g in groups] == [0, 1, 0.5]
    assert [note(g.completions[0], "repetition") for g in groups] == pytest.approx([1 / 3] * 3)
    assert [g.prompt.reference for g in groups] == [None, "1", None]
    assert all(len(g.completions) == 4 for g in groups)


def test_evolmm_notes_a_reward_of_entropy_and_each_answers_soft_majority():
    strategy = "{name: visplay, questions: 1, reward: evolmm, band: [0, 1], softness: 0.5, centre: 0, width: 1}"
    broken, entropy = Answer.failed("server", "gone"), -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    (group,), _ = made(strategy, by_kind(ask="What?", solve=["1", "1", "1", broken, "2"]), pictures(1), k=5)
    assert [note(c, "soft_majority") for c in group.completions] == pytest.approx([0.75**0.5] * 3 + [0, 0.5])
    assert note(group.completions[0], "reward") == pytest.approx(math.exp(-(entropy**2) / 2))


def harder(new: list[str], old: list[str], parent: Prompt | None = None, **stage: Any) -> tuple[list[Group], Scripted]:
    def solves(request: Request, number: int) -> str:
        answers = new if "harder" in request.messages[0].content else old
        return answers[number]

    strategy = "{name: harder, fall: 0.25, lowest: 0.25, ask: ['harder than {question} but {answer}']}"
    return made(strategy, by_kind(ask="A harder one?", solve=solves), [parent or prompt(0)], **stage)


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (["3", "3", "3", "4"], None),
        (["3", "1", "2", "4"], None),
        (["3", "3", "3", "3"], "not_harder"),
        (["1", "1", "2", "4"], "too_hard"),
    ],
)
def test_a_harder_question_keeps_the_answer_and_is_kept_where_fewer_answers_are_right_but_some(new, reason):
    (group,), engine = harder(new, ["3"] * 4)
    assert group.reason == reason
    assert (group.prompt.question, group.prompt.origin) == ("A harder one?", prompt(0).id)
    assert (group.prompt.reference, group.prompt.verifiers, group.prompt.skill) == ("3", ("numeric",), "count")
    assert note(group.completions[0], "pass_rate_before") == 1
    assert note(group.completions[0], "pass_rate_after") == new.count("3") / 4
    assert engine.calls[1][0].messages[0].content == "harder than how many in 0 ? but 3"


def test_what_is_hard_already_or_has_no_label_is_not_rewritten():
    (group,), engine = harder([], ["3", "1", "1", "1"])
    assert (group.reason, group.prompt, len(engine.calls)) == ("hard_already", prompt(0), 1)
    assert [c.text for c in group.completions] == ["3", "1", "1", "1"]
    for parent, reason in ((prompt(0, None), "no_reference"), (prompt(0, "3", ()), "no_verifier")):
        (group,), engine = harder([], [], parent)
        assert (group.reason, group.completions, engine.calls) == (reason, (), [])


def test_a_request_that_fails_makes_its_row_an_error_that_counts():
    gone = Answer.failed("server", "gone")
    steps: list[tuple[str, dict[str, Any]]] = [
        ("ask", {"ask": gone}),
        ("ask", {"ask": "What?", "solve": gone}),
        ("{name: ask, checks: {answerable: '{question}'}}", {"ask": "What?", "check": gone}),
        ("ask_check_rewrite", {"ask": "What?", "check": "no", "rewrite": gone}),
        ("harder", {"solve": gone}),
    ]
    for strategy, said in steps:
        (group,), _ = made(strategy, by_kind(**said), [prompt(0)])
        assert group.reason is None, strategy
        assert {c.error for c in group.completions} == {"server: gone"}
        tally = Tally()
        tally.add([group])
        assert tally.counts()["errors"] == 1
        assert tally.results()["reasons"]["server"] >= 1


def test_a_check_that_fails_after_the_answers_refuses_the_row_and_keeps_them_with_the_error():
    script = by_kind(ask="What?", solve="red", blind=Answer.failed("picture", "needs one"))
    (group,), _ = made("{name: ask, checks: {blind: 0.5}}", script, pictures(1))
    assert group.reason == "not_checked"
    assert [c.text for c in group.completions] == ["red"] * 4 + [""]
    assert group.completions[4].error == "picture: needs one"
    assert [c.index for c in group.completions] == [0, 1, 2, 3, 4]


def test_other_strategies_of_a_mix_keep_their_prompts_and_all_rows_keep_the_pools_order():
    prompts = pictures(20)

    def script(request: Request, number: int) -> str:
        return "What is it?" if kind(request) == "ask" and "/ask/" in request.id else "red"

    groups, _ = made("[{name: ask, questions: 2, novelty: {overlap: 1}}, random]", script, prompts)
    parents = [g.prompt.origin or g.prompt.id for g in groups]
    order = [p.id for p in prompts]
    assert [order.index(one) for one in parents] == sorted(order.index(one) for one in parents)
    assert {g.prompt.source for g in groups} == {"pool", "generated:ask"}


def test_recipes_that_cannot_ask_are_refused_by_what_is_wrong():
    for strategy, said in (
        ("{name: ask, form_of_question: '('}", "neither line, tag nor a regular expression"),
        ("{name: ask, form_of_question: 'a ?'}", "has 0 groups; it needs one"),
        ("{name: ask, form: in_context, ask: ['again']}", "must have {example}"),
        ("{name: ask, ask: ['like {example}']}", "has a field {example} that is not known here"),
        ("{name: ask, questions: 2, asker: {temperature: 0}}", "asks 2 times the same"),
        ("{name: ask, solve: 'answer'}", "must have {question}"),
        ("{name: visplay, band: [0.8, 0.3]}", "band 0.8 to 0.3 holds no share"),
        ("{name: visplay, label: maybe}", "label"),
    ):
        with pytest.raises(RecipeError, match=said.replace("{", r"\{")):
            recipe(strategy)


def test_every_strategy_that_asks_can_be_chosen_by_its_name_alone():
    for name in ("ask", "ask_check_rewrite", "visplay", "harder"):
        assert recipe(name).strategy[0].name == name
        assert name in STRATEGIES
