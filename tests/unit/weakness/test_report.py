"""The report on weaknesses: what it counts, by hand-computed cases."""

from __future__ import annotations

import random

import pytest

from ratchet.artifacts import ModelRef
from ratchet.records import ImageRef, Message, Prompt
from ratchet.statistics import clustered_share, wilson
from ratchet.weakness import Tally
from ratchet.weakness.kinds import KINDS, OTHER, kind_of
from ratchet.weakness.page import render
from ratchet.weakness.showing import heading, tables

MODEL = ModelRef(name="m", version="3", uri="s3://b/m", digest="d" * 64)


def prompt(question: str, reference: str | None = "2", skill: str = "count", picture: int = 0, **fields) -> Prompt:
    image = ImageRef(sha256=f"{picture:064x}", media_type="image/png", width=4, height=4)
    return Prompt.make(
        messages=[Message(role="user", content=question)],
        images=[image],
        skill=skill,
        source="test",
        reference=reference,
        **{"verifiers": ("exact",), **fields},
    )


ANSWERS = [
    (prompt("how many cats ?", "2", picture=1, difficulty=0.1), "2", True),
    (prompt("how many dogs ?", "2", picture=1, difficulty=0.9), "3", False),
    (prompt("how many cows ?", "2", picture=2, difficulty=0.9), " 3. ", False),
    (prompt("how many hens ?", "2", picture=3, difficulty=0.9), "4", False),
    (prompt("is there a cat ?", "yes", "exist", 4, verifiers=("yes_no",)), "yes", True),
    (prompt("is there a dog ?", "no", "exist", 5, verifiers=("yes_no", "exact")), "yes", False),
    (prompt("why ?", None, "talk", 6, verifiers=()), "because", None),
]


def tallied(answers=ANSWERS, bands=3):
    tally = Tally(bands)
    for one in answers:
        tally.add(*one)
    tally.asked = len(answers) + 1
    tally.unanswered = 1
    return tally.report(MODEL, "a" * 64)


def test_errors_are_shares_of_what_was_judged_with_intervals_by_cluster():
    found = tallied()
    assert (found.asked, found.unanswered, found.overall.n, found.overall.right, found.overall.unscored) == (
        8,
        1,
        6,
        2,
        1,
    )
    assert found.overall.error == pytest.approx(4 / 6, abs=1e-6)
    count = next(one for one in found.skills if one.name == "count")
    assert (count.n, count.right, count.clusters, count.error) == (4, 1, 3, 0.75)
    low, high = clustered_share([False, True, True, True], ["1", "1", "2", "3"])
    assert (count.low, count.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    talk = next(one for one in found.skills if one.name == "talk")
    assert (talk.n, talk.error, talk.low, talk.high, talk.unscored) == (0, None, 0.0, 1.0, 1)


def test_parts_are_skills_difficulty_bands_kinds_and_verifiers():
    found = tallied()
    assert [(one.name, one.band, one.n) for one in found.cells if one.name == "count"] == [
        ("count", 0, 1),
        ("count", 2, 3),
    ]
    assert {one.name: one.n for one in found.kinds} == {"how many": 4, "yes or no": 2, "why": 0}
    assert {one.name: (one.n, one.right) for one in found.verifiers} == {
        "exact": (5, 1),
        "yes_no": (2, 1),
        "none": (0, 0),
    }


def test_a_confusion_is_what_was_said_in_place_of_the_reference():
    first, *rest = tallied().confusions
    assert (first.skill, first.reference, first.said, first.n, first.of, first.share) == ("count", "2", "3", 2, 4, 0.5)
    assert first.low > wilson(2, 4)[0] - 0.1
    assert {(one.reference, one.said) for one in rest} == {("2", "4"), ("no", "yes")}


def test_a_caption_is_no_confusion():
    long = prompt("describe it", "a red circle and " * 9, "caption")
    assert tallied([(long, "a dog", False)]).confusions == ()


def test_the_order_of_the_answers_does_not_matter():
    mixed = list(ANSWERS)
    random.Random(1).shuffle(mixed)
    assert tallied(mixed) == tallied()


@pytest.mark.parametrize(
    ("question", "reference", "verifiers", "kind"),
    [
        ("Is there a word on the sign?", None, (), "yes or no"),
        ("Can you see a word?", None, (), "yes or no"),
        ("Can you describe the picture?", None, (), "describe"),
        ("Does it show which way?", None, (), "yes or no"),
        ("How many red circles?", "3", ("numeric",), "how many"),
        ("Is the cup on the table?", "Yes", ("exact",), "yes or no"),
        ("Is it red?", None, ("yes_no",), "yes or no"),
        ("Are there more cats than dogs?", "cats", (), "yes or no"),
        ("What is it? (A) cat (B) dog", "A", ("exact",), "choice"),
        ("Pick one", "B", ("choice",), "choice"),
        ("Where is the cup?", "left", (), "where"),
        ("Which is larger?", "cup", (), "which"),
        ("What does the sign say?", "stop", (), "read"),
        ("Describe the picture.", "a cat", (), "describe"),
        ("What time is it?", "ten", (), "when"),
        ("Who is it?", "Ann", (), "who"),
        ("How does it work?", "well", (), "how"),
        ("What is it?", "cup", (), "what"),
        ("Continue.", "so", (), OTHER),
    ],
)
def test_the_kind_of_a_question_is_guessed_from_its_words_and_verifiers(question, reference, verifiers, kind):
    assert kind_of(prompt(question, reference, verifiers=verifiers)) == kind
    assert kind in KINDS


def test_it_is_told_in_words_and_tables_the_weakest_first():
    found = tallied()
    assert heading(found).startswith("m v3 on 8 validation prompts of set aaaaaaaaaaaa: 66.7% wrong")
    assert "1 without an answer and 1 unscored" in heading(found)
    told = {table.title: table for table in tables(found)}
    assert list(told) == [
        "By skill",
        "By skill and difficulty",
        "By kind of question",
        "By verifier",
        "Most frequent confusions",
    ]
    assert [row[0] for row in told["By skill"].rows] == ["count", "exist", "talk"]
    assert told["By skill and difficulty"].rows[0][0] == "count, band 3 of 3"


def test_hostile_text_stays_text_on_the_page():
    bad = "</td><script>window.hacked=1</script>\x1b[2J"
    html = render(tallied([(prompt("what ?", bad, bad), bad + "!!x", False)]), bad)
    assert "<script" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;" in html
