"""Questions, whether they are new, and votes on their answers, with an engine that says what a test makes it say."""

from __future__ import annotations

import pytest

from ratchet.errors import SamplingError
from ratchet.generate.engine import Answer, Request
from ratchet.verify import self_check
from tests.asking import by_kind, made, note, pictures, reasons
from tests.rows import prompt


def test_a_question_becomes_a_prompt_about_the_same_pictures_with_the_solvers_answers():
    (parent,) = pictures(1)
    (group,), engine = made(
        "{name: ask, solve: '{question} shortly'}", by_kind(ask="What is it?", solve="red"), [parent]
    )
    new = group.prompt
    assert (new.question, new.images, new.split_key) == ("What is it?", parent.images, "key0")
    assert (new.origin, new.source, new.skill) == (parent.id, "generated:ask", "asked")
    assert (new.reference, new.verifiers, group.reason) == (None, (), None)
    assert [c.text for c in group.completions] == ["red"] * 4
    assert [c.index for c in group.completions] == [0, 1, 2, 3]
    shown = group.completions[0].input
    assert shown is not None
    assert (shown.messages[0].content, shown.images) == ("What is it? shortly", parent.images)
    assert [len(call) for call in engine.calls] == [1, 1]
    assert [p.k for p in engine.params] == [1, 4]


def test_a_prompt_that_is_shown_as_it_is_stored_has_no_input():
    (group,), _ = made("{name: ask, solve: '{question}'}", by_kind(ask="What is it?", solve="red"), pictures(1))
    assert {c.input for c in group.completions} == {None}


def test_each_step_is_one_call_for_all_pictures_and_each_question_its_own_draw():
    def asks(request: Request, _: int) -> str:
        return f"What is {request.id.replace('/', ' ')} ?"

    groups, engine = made("{name: ask, questions: 3}", by_kind(ask=asks, solve="red"), pictures(4))
    assert [len(call) for call in engine.calls] == [12, 12]
    ids = [request.id for request in engine.calls[0]]
    assert ids[:3] == [f"{pictures(1)[0].id}/ask/{i}" for i in range(3)]
    assert len(set(ids)) == 12
    assert [g.prompt.origin for g in groups] == [p.id for p in pictures(4) for _ in range(3)]


def test_templates_take_turns_and_the_questioner_samples_as_its_role_says():
    strategy = "{name: ask, questions: 4, ask: [one, two], asker: {temperature: 0.3, max_new_tokens: 9}}"
    _, engine = made(strategy, by_kind(ask="What?", solve="red"), pictures(3))
    for start in (0, 4, 8):
        texts = [r.messages[0].content for r in engine.calls[0][start : start + 4]]
        assert texts in (["one", "two"] * 2, ["two", "one"] * 2)
    assert [(p.temperature, p.max_new_tokens) for p in engine.params] == [(0.3, 9), (1.0, 20)]


def test_what_holds_no_question_is_a_row_with_what_was_said_and_without_verifiers():
    parent = prompt(0)
    (group,), engine = made("ask", by_kind(ask="a cat"), [parent])
    assert (group.reason, group.prompt.id, group.prompt.verifiers) == ("unreadable_question", parent.id, ())
    assert [c.text for c in group.completions] == ["a cat"]
    assert group.completions[0].input is not None
    assert len(engine.calls) == 1, "nobody answers what was not asked"


@pytest.mark.parametrize("said", ["", "   ", "<think> why ?"])
def test_an_empty_text_is_never_passed_on_as_a_question(said):
    groups, _ = made("ask", by_kind(ask=said), pictures(2))
    assert reasons(groups) == ["unreadable_question"] * 2
    assert [g.completions[0].text for g in groups] == [said] * 2


def test_known_and_repeated_questions_are_refused_and_other_pictures_may_ask_the_same():
    said = ["What is it?", "how many in 0 ?", "what  IS it", "What is it there?"]

    def asks(request: Request, _: int) -> str:
        return said[int(request.id[-1])] + ("?" if "what" in said[int(request.id[-1])] else "")

    strategy = "{name: ask, questions: 4, novelty: {overlap: 0.6}}"
    groups, engine = made(strategy, by_kind(ask=asks, solve="red"), pictures(2))
    per_picture = [None, "known_question", "duplicate_question", "near_duplicate_question"]
    assert reasons(groups[:4]) == per_picture
    assert reasons(groups[4:]) == [None, None, "duplicate_question", "near_duplicate_question"]
    assert all(not g.completions for g in groups if g.reason)
    assert len(engine.calls[1]) == 3, "only new questions are answered"
    groups, _ = made("{name: ask, novelty: {across: file}}", by_kind(ask="What is it?", solve="red"), pictures(3))
    assert reasons(groups) == [None, "duplicate_question", "duplicate_question"]


def test_a_cap_on_questions_that_begin_alike_leaves_the_first_and_notes_their_share():
    def asks(request: Request, _: int) -> str:
        return "Where is it?" if request.images == pictures(4)[0].images else "How many are there?"

    groups, _ = made("{name: ask, novelty: {most_alike: 0.5}}", by_kind(ask=asks, solve="red"), pictures(4))
    assert reasons(groups) == [None, None, None, "common_opening"]
    assert [note(g.completions[0], "opening_share") for g in groups[:3]] == [0.25, 0.75, 0.75]


def test_in_context_shows_the_pools_own_question_or_an_example_of_the_recipe():
    _, engine = made("{name: ask, form: in_context, ask: ['like: {example}']}", by_kind(ask="x"), [prompt(7)])
    assert engine.calls[0][0].messages[0].content == "like: how many in 7 ?"
    strategy = "{name: ask, form: in_context, questions: 8, examples: ['Why?', 'Who?']}"
    _, engine = made(strategy, by_kind(ask="x"), pictures(2))
    shown = [request.messages[0].content for request in engine.calls[0]]
    assert all(("Why?" in text) != ("Who?" in text) for text in shown)
    assert 0 < sum("Why?" in text for text in shown) < 16


@pytest.mark.parametrize(
    ("answers", "reference", "verifier", "agreement"),
    [
        (["3", "three", "There are 3", "4"], "3", "numeric", 0.75),
        (["Yes.", "yes, I see one", "no", "Yes"], "yes", "yes_no", 0.75),
        (["Red", "red.", " RED", "blue"], "red", "exact", 0.75),
        (["red, blue", "blue, red", "red", "red, blue"], "red, blue", "set_f1", 0.75),
        (["so <answer>red</answer>", "red", "blue", "green"], "red", "exact", 0.5),
    ],
)
def test_votes_label_with_the_verifier_of_the_answers_shape(answers, reference, verifier, agreement):
    (group,), _ = made("{name: ask, label: votes}", by_kind(ask="What is it?", solve=answers), pictures(1))
    assert group.reason is None
    assert (group.prompt.reference, group.prompt.verifiers) == (reference, (verifier,))
    assert self_check(group.prompt) is None
    assert note(group.completions[0], "agreement") == agreement
    assert group.prompt.difficulty == 1 - agreement


def test_votes_for_a_letter_are_compared_as_choices():
    question = r"Which is it? A. red B. blue"
    strategy = r"{name: ask, label: votes, form_of_question: '(.+)'}"
    (group,), _ = made(strategy, by_kind(ask=question, solve=["a", "B", "b)", "blue"]), pictures(1))
    assert (group.prompt.reference, group.prompt.verifiers) == ("b", ("choice",))
    assert note(group.completions[0], "agreement") == 0.75


@pytest.mark.parametrize("answers", [["1", "2", "3", "4"], ["1", "1", "2", "2"], ["1", "2", "3", "3"]])
def test_a_tie_or_agreement_below_the_floor_is_no_majority(answers):
    strategy = "{name: ask, label: votes, agreement: 0.6}"
    (group,), _ = made(strategy, by_kind(ask="What is it?", solve=answers), pictures(1))
    assert (group.reason, group.prompt.reference) == ("no_majority", None)
    assert len(group.completions) == 4


def test_failed_answers_have_no_vote_and_cut_ones_agree_with_nothing():
    cut, broken = Answer("red", 20, "length"), Answer.failed("server", "gone")
    (group,), _ = made(
        "{name: ask, label: votes}", by_kind(ask="What?", solve=["red", "red", cut, broken]), pictures(1)
    )
    assert note(group.completions[0], "agreement") == pytest.approx(2 / 3)
    (group,), _ = made("{name: ask, label: votes}", by_kind(ask="What?", solve=[cut]), pictures(1))
    assert group.reason == "no_answer_given"


def test_votes_need_more_than_one_answer():
    for strategy in ("{name: ask, label: votes}", "visplay", "{name: ask, checks: {consistent: 0.5}}"):
        with pytest.raises(SamplingError, match=r"k is 1; set its k or generate\.k to 2"):
            made(strategy, by_kind(ask="What?", solve="red"), pictures(1), k=1)


def test_answers_that_say_nothing_refuse_the_question():
    groups, _ = made("ask", by_kind(ask="What is it?", solve=""), pictures(1))
    assert reasons(groups) == ["no_answer_given"]
