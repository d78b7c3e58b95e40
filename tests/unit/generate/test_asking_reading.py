"""What is pure in question generation: reading a question, telling whether it is new, counting votes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.generate.strategies.asking.novelty import Known, grams, most_of, opening, overlap, repetition
from ratchet.generate.strategies.asking.reading import question_of
from ratchet.generate.strategies.asking.visplay import difficulty_reward, entropy_reward, soft_majority
from ratchet.recipe.strategies.questions import NoveltyConfig
from ratchet.verify.extract import reading
from ratchet.verify.voting.votes import Vote, candidates, ranked
from tests.rows import prompt

WORDS = st.lists(
    st.sampled_from(["how", "many", "red", "blue", "circles", "are", "there", "left", "of", "it"]),
    min_size=1,
    max_size=9,
)
QUESTIONS = WORDS.map(lambda words: " ".join(words) + " ?")
TEXTS = st.text(max_size=60)


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("What is it?", "What is it?"),
        ("Sure, here is one.\n\n1. **What  is it?**\n2. Why?", "What is it?"),
        ('Question: "What is it?"', "What is it?"),
        ("- Q1: What is it?", "What is it?"),
        ("<think>\nWhy?\n</think>\nWhat is it?", "What is it?"),
        ("2 cats sleep where?", "2 cats sleep where?"),
        ("It is a cat.", None),
        ("?", None),
        ("", None),
    ],
)
def test_the_first_line_that_asks_is_the_question_without_what_is_around_it(said, question):
    assert question_of(said, "line", 80) == question


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("<question>What\nis it</question> <question>Why?</question>", "What is it"),
        ("<question>What is it?", None),
        ("<question> </question>", None),
        ("What is it?", None),
    ],
)
def test_a_tagged_question_is_what_the_first_closed_tag_holds(said, question):
    assert question_of(said, "tag", 80) == question


def test_a_regular_expression_reads_what_its_group_holds():
    form = r"^(\S.* [?.])$"
    assert question_of("list the objects .", form, 80) == "list the objects ."
    assert question_of("blue circle", form, 80) is None
    assert question_of("a\nwhat ?", form, 80) == "what ?"


@given(QUESTIONS)
def test_a_question_is_read_back_from_each_form_that_it_is_put_in(question):
    for said in (question, f"Question: {question}", f'"{question}"', f"Well.\n1) {question}\n"):
        assert question_of(said, "line", 200) == question
    assert question_of(f"so <question>\n{question}</question>", "tag", 200) == question


@given(TEXTS, st.integers(1, 60))
def test_what_is_read_asks_is_short_enough_and_reads_as_itself(said, longest):
    read = question_of(said, "line", longest)
    if read is not None:
        assert read.endswith("?")
        assert 1 < len(read) <= longest
        assert question_of(read, "line", longest) == read


@given(TEXTS, TEXTS, st.integers(1, 4))
def test_overlap_is_symmetric_between_0_and_1_and_1_for_the_same_words(one, other, n):
    a, b = grams(one, n), grams(other, n)
    assert 0 <= overlap(a, b) == overlap(b, a) <= 1
    assert not a or overlap(a, grams(f" {one} ", n)) == 1


@given(st.lists(QUESTIONS, max_size=12), QUESTIONS, st.floats(0.1, 1), st.integers(1, 3))
def test_the_index_finds_what_comparing_with_each_question_finds(met, asked, least, n):
    config = NoveltyConfig(overlap=least, ngram=n)
    known = Known(config)
    for one in met:
        known.add("pictures", one)
    close = any(overlap(grams(one, n), grams(asked, n)) >= least for one in met)
    found = known.likeness("pictures", asked)
    assert (found is not None) == (close or asked in met)
    assert (found == "same") == (asked in met)
    assert known.likeness("others", asked) is None


def test_case_blanks_and_the_end_do_not_make_a_question_new():
    known = Known(NoveltyConfig(overlap=1))
    known.add((), "How many  red circles?")
    assert known.likeness((), "how many red circles ?") == "same"
    assert known.likeness((), "how many blue circles ?") is None


def test_one_changed_word_is_near_only_below_the_threshold():
    a, b = "what is left of the red circle ?", "what is right of the red circle ?"
    for least, likeness in ((0.4, "near"), (0.6, None)):
        known = Known(NoveltyConfig(overlap=least))
        known.add((), a)
        assert known.likeness((), b) == likeness


@given(st.lists(QUESTIONS, min_size=1, max_size=8))
def test_a_question_repeats_itself_at_least_and_all_at_most(texts):
    shares = repetition(texts, NoveltyConfig())
    assert all(1 / len(texts) <= share <= 1 for share in shares)
    assert repetition([texts[0]] * 3, NoveltyConfig()) == [1, 1, 1]


def test_openings_are_two_words_and_one_question_may_always_have_its_own():
    assert opening(" How MANY cats?") == "how many"
    assert (most_of(0.3, 10), most_of(0.3, 2), most_of(1, 7)) == (3, 1, 7)


def test_readings_are_the_products_own_of_marked_answers():
    assert reading("so <answer> Red. </answer>") == "red"
    assert reading(r"\boxed{3}") == "3"
    assert reading("<answer>1</answer> <answer>2</answer>") is None
    assert reading(" ") is None


def test_candidates_are_the_readings_by_frequency_and_a_leading_yes_or_no():
    assert candidates(["Red.", "blue", "red", ""]) == ["red", "blue"]
    assert candidates(["Yes, it is there on the left", "yes"])[0] == "yes"
    assert "no" not in candidates(["nobody knows"])


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), max_size=4)))
def test_each_answer_belongs_to_the_best_candidate_that_it_agrees_with(passed):
    order, classes = ranked(passed)
    assert sorted(order) == list(range(len(passed)))
    sizes = [sum(passed[c]) for c in order]
    assert sizes == sorted(sizes, reverse=True)
    for answer, rank in enumerate(classes):
        agreeing = [r for r, c in enumerate(order) if passed[c][answer]]
        assert rank == (min(agreeing) if agreeing else None)
    assert not passed or classes.count(0) == sizes[0]


@given(st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 3))
def test_entropy_is_between_none_and_that_of_all_different_answers(classes, errors):
    vote = Vote(prompt(), (*classes, *[None] * errors), len(classes), False)
    assert 0 <= vote.entropy <= math.log(len(classes)) + 1e-9
    assert len(vote.shares) == len(classes) + errors
    if len(set(classes)) == 1 and classes[0] is not None:
        assert vote.entropy == 0


def test_the_rewards_are_those_of_the_papers():
    assert [difficulty_reward(c) for c in (0, 0.25, 0.5, 1)] == [0, 0.5, 1, 0]
    assert entropy_reward(0.9, 0.9, 0.35) == 1
    assert entropy_reward(0.9 + 0.35, 0.9, 0.35) == pytest.approx(math.exp(-0.5))
    assert entropy_reward(0.2, 0.9, 0.35) == pytest.approx(entropy_reward(1.6, 0.9, 0.35))
    assert soft_majority(0.6, 0.7) == pytest.approx(0.6**0.7)
