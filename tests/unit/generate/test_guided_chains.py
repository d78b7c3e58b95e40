from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.generate.strategies.guided.chains import Chain, cuts, parts, steps
from ratchet.verify.extract import answers

PIECES = [
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "\\boxed{",
    "}",
    "{",
    "3",
    "a b.",
    "\n",
    " ",
    "Then 2.5!",
    "1.",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>One. Two.</think><answer>7</answer>", Chain("One. Two.", "7", True)),
        ("\n<THINK>a</THINK>\n <Answer> 7 </Answer>\n", Chain("a", "7", True)),
        ("<think>a<think>b</think>c</think><answer>x</answer>", Chain("a<think>b</think>c", "x", False)),
        ("<think>never ends", Chain("never ends", None, False)),
        ("<think>a</think><answer>never ends", Chain("a", None, False)),
        ("<think>a</think><answer>1</answer><answer>2</answer>", Chain("a", None, False)),
        ("<think><answer>1</answer></think><answer>2</answer>", Chain("<answer>1</answer>", "2", False)),
        ("<think><answer>1</answer></think>", Chain("<answer>1</answer>", "", False)),
        ("<think>a</think> so <answer>1</answer>", Chain("a", "1", False)),
        ("<think>a</think><answer>1</answer> bye", Chain("a", "1", False)),
        ("<think> </think><answer>1</answer>", Chain("", "1", False)),
        ("<think>a</think><answer> </answer>", Chain("a", "", False)),
        ("<answer>1</answer><think>a</think>", Chain("a", "", False)),
        ("begun elsewhere</think><answer>1</answer>", Chain("begun elsewhere", "1", False)),
        ("seven", Chain("seven", "seven", False)),
        ("", Chain("", "", False)),
    ],
)
def test_a_tagged_chain_is_taken_apart_and_hostile_ones_are_not_well_formed(text, expected):
    assert parts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"We add them. So \boxed{7}", Chain("We add them. So", "7", True)),
        (r"<think>We add.</think> \boxed{\frac{1}{2}}", Chain("We add.", r"\frac{1}{2}", True)),
        (r"<think>maybe \boxed{1}</think> \boxed{2}", Chain(r"maybe \boxed{1}", "2", False)),
        (r"<think>maybe \boxed{1}</think> so 2", Chain(r"maybe \boxed{1}", "so 2", False)),
        (r"\boxed{1} or \boxed{2}", Chain("", None, False)),
        (r"\boxed{\boxed{3}}", Chain("", r"\boxed{3}", False)),
        (r"so \boxed{3", Chain("so", None, False)),
        (r"so \boxed{}", Chain("so", "", False)),
    ],
)
def test_a_boxed_chain_is_well_formed_with_one_closed_box_after_the_thought(text, expected):
    assert parts(text, "boxed") == expected


@given(TEXTS, st.sampled_from(["tags", "boxed"]))
def test_a_well_formed_chain_has_the_one_answer_that_a_verifier_reads(text, form):
    chain = parts(text, form)
    assert chain.answer == (answers(text)[0].strip() if len(answers(text)) == 1 else None)
    assert not chain.well_formed or chain.answer


@given(TEXTS)
def test_steps_lose_no_word(text):
    assert "".join("".join(steps(text)).split()) == "".join(text.split())


@given(TEXTS, st.sampled_from(["steps", "words"]))
def test_a_cut_leaves_words_on_both_sides_and_breaks_none(text, by):
    for end in cuts(text, by):
        assert text[:end].strip()
        assert text[end:].strip()
        if by == "words":
            assert text[end].isspace()


@given(TEXTS)
def test_a_text_has_a_cut_less_than_it_has_steps(text):
    assert len(cuts(text, "steps")) == max(0, len(steps(text)) - 1)


def test_steps_are_sentences_and_lines_with_their_numerals():
    text = '1. Look at it.\n2. There are 3.5 of them! \n\nHe said "yes." Then 真。end'
    assert steps(text) == ("1. Look at it.", "2. There are 3.5 of them!", 'He said "yes."', "Then 真。", "end")
    assert [text[:end].rsplit(maxsplit=1)[-1] for end in cuts(text, "steps")] == ["it.", "them!", '"yes."', "真。"]


@pytest.mark.parametrize(
    "text", ["<think>" * 20_000, "</think><answer>" * 20_000, " \n" * 50_000, "\\boxed{" * 20_000, "1.\n" * 40_000]
)
def test_a_long_hostile_text_is_read_without_quadratic_work(text):
    assert not parts(text).well_formed
    assert not parts(text, "boxed").well_formed
    assert len(cuts(text, "words")) < len(text)
