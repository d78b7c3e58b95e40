"""Replies are read strictly, and whatever is in them, reading ends."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratchet.generate.engine import Answer
from ratchet.verify.judges import reading
from ratchet.verify.judges.prompts import CLOSING, OPENING, PROMPTS, asking, harmless

TWO = ["correct", "grounded"]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("correct: 4\ngrounded: 2", {"correct": 4, "grounded": 2}),
        ("**Correct**: 4/5\n- grounded = 2.5.", {"correct": 4, "grounded": 2.5}),
        ('{"correct": 4, "grounded": 2}', {"correct": 4, "grounded": 2}),
        ('Here it is:\n```json\n{"correct": 4, "grounded": 2}\n```', {"correct": 4, "grounded": 2}),
        ("It is good.\ncorrect: 4\ncorrect: 4\ngrounded: 5", {"correct": 4, "grounded": 5}),
        ("correct: 4", None),
        ("correct: 4\ngrounded: 6", None),
        ("correct: 0\ngrounded: 2", None),
        ("correct: 4/10\ngrounded: 2", None),
        ("correct: 10\ncorrect: 4\ngrounded: 2", None),
        ('{"correct": 4, "correct": 5, "grounded": 2}', None),
        ('{"correct": "4", "grounded": 2}', None),
        ('{"correct": true, "grounded": 2}', None),
        ('{"correct": NaN, "grounded": 2}', None),
        ("correct: four\ngrounded: 2", None),
        ("correct: 4 or 5\ngrounded: 2", None),
        ("it says correct: 4 and grounded: 2", None),
        ("4", None),
        ("", None),
        ("{" * 5000, None),
        ('{"correct":' + "[" * 5000 + "]" * 5000 + ', "grounded": 1}', None),
    ],
)
def test_scores_are_read_where_each_is_said_once_and_fits_the_scale(reply: str, found: dict[str, float] | None) -> None:
    assert reading.read_scores(reply, TWO, 1, 5) == found


@pytest.mark.parametrize(("reply", "found"), [("4", 4), ("4/5", 4), ("score: 3.", 3), ("4 of 5", None), ("4\n5", None)])
def test_one_criterion_may_be_a_number_alone(reply: str, found: float | None) -> None:
    assert reading.read_scores(reply, ["score"], 1, 5) == (None if found is None else {"score": found})


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("first", 0), ("Second.", 1), ("**same**", 2), ("both are good\nVerdict: second", 1), ("Verdict: **first**.", 0),
        ("first or second", None), ("the first is better", None), ("Verdict: first\nbut no", None), ("verdict: third", None), ("", None),
    ],
)  # fmt: skip
def test_a_choice_is_one_of_the_words(reply: str, found: int | None) -> None:
    assert reading.read_choice(reply, ("first", "second", "same")) == found


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("- a cup\n2. a dog\n* a cup", ("a cup", "a dog")),
        ("The claims are:\n- a cup", ("a cup",)),
        ("None.", ()),
        ("a cup and a dog", None),
        ("- a cup\nand more", None),
        ("", None),
    ],
)
def test_claims_are_the_lines_of_a_list(reply: str, found: tuple[str, ...] | None) -> None:
    assert reading.read_claims(reply) == found


def test_a_reply_that_failed_was_cut_or_thinks_without_end_says_nothing() -> None:
    assert reading.said(Answer("yes", 2, "stop")) == "yes"
    assert reading.said(Answer("yes", 2, "length")) is None
    assert reading.said(Answer.failed("server", "gone")) is None
    assert reading.said(Answer("<think>no</think> yes", 9, "stop")) == "yes"
    assert reading.said(Answer("<think>yes", 9, "stop")) is None
    assert reading.said(Answer("y" * (reading.LONGEST + 1), 9, "stop")) is None


@pytest.mark.parametrize(
    ("text", "how", "steps"),
    [
        ("a\n\nb \nc", "lines", ["a", "b", "c"]),
        ("It is. Then 3.5 is it! So", "sentences", ["It is.", "Then 3.5 is it!", "So"]),
        ("red , blue , green", ",", ["red ,", "blue ,", "green"]),
        ("\n \n", "lines", []),
    ],
)
def test_steps_end_where_they_are_split(text: str, how: str, steps: list[str]) -> None:
    ends = reading.step_ends(text, how)
    starts = (0, *ends)
    assert [text[a:b].strip() for a, b in zip(starts, ends, strict=False)] == steps


@given(st.text(max_size=300), st.sampled_from(["lines", "sentences", ",", "aa"]))
def test_steps_cover_all_that_is_said_and_never_end_in_a_blank(text: str, how: str) -> None:
    ends = reading.step_ends(text, how)
    assert list(ends) == sorted(set(ends))
    assert all(text[:end] == text[:end].rstrip() for end in ends)
    assert text[: ends[-1] if ends else 0].rstrip() == text.rstrip()


_NASTY = st.text(max_size=400) | st.lists(
    st.sampled_from(
        ["score: 10", "\n", "correct: 5", "{", '"', "```", "yes", "no", "first", "- ", "</think>", "<think>", ":"]
    )
).map("".join)


@given(_NASTY)
def test_no_reply_breaks_a_reader_and_what_is_read_is_in_range(reply: str) -> None:
    scores = reading.read_scores(reply, TWO, 1, 5)
    assert scores is None or (set(scores) == set(TWO) and all(1 <= v <= 5 for v in scores.values()))
    assert reading.read_choice(reply, ("first", "second", "same")) in (None, 0, 1, 2)
    claims = reading.read_claims(reply)
    assert claims is None or all(one.strip() for one in claims)
    assert reading.read_yes_no(reply) in (None, True, False)
    reading.said(Answer(reply, 1, "stop"))


@pytest.mark.parametrize(
    "piece", ["{", "```\n", "score: ", "<think>", "</think>", "- ", "a.", "\n", "correct: 5\n", "«", "<", "yes "]
)
def test_readers_are_linear(piece: str) -> None:
    long = piece * (reading.LONGEST // len(piece))
    start = time.process_time()
    reading.read_scores(long, TWO, 1, 5)
    reading.read_choice(long, ("first", "second", "same"))
    reading.read_claims(long)
    reading.read_yes_no(long)
    reading.said(Answer(long, 1, "stop"))
    reading.step_ends(long, "sentences")
    harmless(long)
    assert time.process_time() - start < 2


_HOSTILE = st.text(max_size=200) | st.lists(
    st.sampled_from(
        [
            OPENING,
            CLOSING,
            "«",
            "»",
            "<|im_end|>",
            "<|",
            "|>",
            "<image>",
            "</s>",
            "[INST]",
            "[/inst]",
            "<",
            ">",
            "\x00",
            "\u202e",
            "score: 10",
        ]
    )
).map("".join)


@given(_HOSTILE)
@example("<<0>")
@example("»")
@example("««««»»")
@example("<«««|im_start|>")
@example("[\x00INST]")
@example("<" * 300 + "a>")
def test_an_answer_cannot_leave_its_marks(text: str) -> None:
    safe = harmless(text)
    assert OPENING not in safe
    assert CLOSING not in safe
    assert not any(tag in safe for tag in ("<|im_end|>", "<image>", "</s>", "[INST]", "[/inst]", "\x00", "\u202e"))
    assert harmless(safe) == safe
    shown = asking(PROMPTS["self_check"], {"question": "q", "answer": text})
    start = shown.index(f"Answer: {OPENING}") + len(f"Answer: {OPENING}")
    assert shown[start : shown.index(CLOSING, start)] == f" {safe} "


@pytest.mark.parametrize(
    "text", ["a red circle , a blue square", "x < y and y > 3", "2 << 3", "it's 50% {braces} \\boxed{3}", "« Oui »"]
)
def test_plain_answers_are_shown_to_the_character(text: str) -> None:
    assert harmless(text) == text


def test_the_shipped_templates_have_only_fields_that_their_verifiers_fill() -> None:
    from ratchet.recipe.strategies.templates import fields

    known = {
        "question",
        "answer",
        "criteria",
        "lowest",
        "highest",
        "critique",
        "first",
        "second",
        "claim",
        "caption",
        "before",
        "step",
    }
    assert {name: fields(text) - known for name, text in PROMPTS.items() if fields(text) - known} == {}
    assert json.dumps(dict(PROMPTS))
