"""Wrong facts in right answers: one change, where the record says, that the rules find wrong."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratchet.tinyworld
from ratchet.errors import SamplingError
from ratchet.generate.negatives.english import ENGLISH
from ratchet.generate.negatives.injection import KINDS, Injection, inject
from ratchet.tinyworld import SKILLS, Item, item_at, prompt_of
from ratchet.tinyworld.lexicon import LARGEST, tinyworld_lexicon
from ratchet.verify import VERIFIERS

COCO = """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie,
suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket,
bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut,
cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven,
toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"""

kinds = st.sampled_from(sorted(KINDS))
seeds = st.integers(0, 2**60)
tiny_items = st.builds(
    item_at,
    st.just("pool"),
    st.integers(0, 2**31),
    st.integers(0, 10**6),
    st.sampled_from(SKILLS),
    most=st.integers(1, 6),
)
_phrases = [
    "A dog is sitting on a couch.",
    "An apple, a banana and two knives",
    "there is one red bus in front of the wooden bench",
    "The man on the left holds an umbrella;",
    "three sheep ,  an orange cat",
    "Yes, there is a clock",
    "NO.",
    "the total is 1,299.50",
    "\n\tIt's the second one, not the first!",
    "a stop sign above the traffic light",
    "hot dogs (five) are cold",
    "{x} 3-4 10:30 über die Straße",
    "nothing",
]
sentences = st.one_of(
    st.lists(st.sampled_from(_phrases), min_size=1, max_size=3).map(" ".join),
    st.lists(st.sampled_from([word for phrase in _phrases for word in phrase.split()]), max_size=12).map(" ".join),
    st.text(max_size=40),
)


def check_record(text: str, made: Injection) -> None:
    """The recorded change, and nothing else, is the difference."""
    assert text[made.start : made.start + len(made.before)] == made.before
    assert text[: made.start] + made.after + text[made.start + len(made.before) :] == made.text
    assert made.before != made.after
    assert made.text.casefold() != text.casefold()
    assert made.record == {"from": made.before, "to": made.after, "at": made.at}
    word = list(re.finditer(r"\S+", text))[made.at]
    assert word.start() <= made.start <= word.end()


@given(sentences, kinds, seeds)
@settings(max_examples=500, deadline=None)
def test_a_wrong_fact_is_the_recorded_change_and_depends_on_the_arguments_alone(
    text: str, kind: str, seed: int
) -> None:
    made = inject(text, kind, seed)
    assert made == inject(text, kind, seed)
    if made is not None:
        check_record(text, made)


@given(tiny_items, kinds, seeds, st.sampled_from([None, "insert", "replace"]))
@settings(max_examples=500, deadline=None)
def test_a_right_tiny_world_answer_becomes_a_wrong_one_by_the_rules(
    item: Item, kind: str, seed: int, mode: str | None
) -> None:
    made = inject(item.answer, kind, seed, tinyworld_lexicon(), question=item.question, mode=mode)
    if made is None:
        return
    check_record(item.answer, made)
    prompt, _ = prompt_of(item)
    for name in prompt.verifiers:
        assert VERIFIERS[name].check(prompt, item.answer).passed  # type: ignore[attr-defined]
        assert VERIFIERS[name].check(prompt, made.text).passed is False  # type: ignore[attr-defined]
    assert set(made.text.split()) <= vocabulary()


@pytest.mark.parametrize(
    ("skill", "kind", "share"),
    [
        ("count", "count", 1.0),
        ("add", "count", 1.0),
        ("read", "count", 1.0),
        ("exist", "object", 1.0),
        ("compare", "object", 0.5),
        ("compare", "relation", 0.3),
        ("locate", "relation", 1.0),
        ("pair", "relation", 1.0),
        ("caption", "object", 1.0),
        ("caption", "attribute", 0.95),
        ("relation", "object", 0.95),
        ("relation", "attribute", 0.8),
    ],
)
def test_each_skill_can_be_made_wrong(skill: str, kind: str, share: float) -> None:
    drawn = [item_at("pool", 1, index, skill) for index in range(100)]
    lexicon = tinyworld_lexicon()
    made = [inject(item.answer, kind, item.index, lexicon, question=item.question) for item in drawn]
    assert sum(one is not None for one in made) >= 100 * share


@given(st.integers(0, 10**6), seeds)
@settings(max_examples=300, deadline=None)
def test_an_object_put_into_a_caption_is_not_in_it(index: int, seed: int) -> None:
    item = item_at("pool", 2, index, "caption")
    made = inject(item.answer, "object", seed, tinyworld_lexicon(), question=item.question, mode="insert")
    before = Counter(item.answer.split(" , "))
    if made is None:
        assert len(before) == len(tinyworld_lexicon().guests)
        return
    (added,) = (Counter(made.text.split(" , ")) - before).elements()
    assert added not in before
    assert made.before == ""


@given(st.integers(0, 10**6), seeds, st.sampled_from(["object", "attribute"]))
@settings(max_examples=300, deadline=None)
def test_a_changed_object_is_not_another_of_the_caption(index: int, seed: int, kind: str) -> None:
    item = item_at("pool", 3, index, "caption")
    made = inject(item.answer, kind, seed, tinyworld_lexicon(), question=item.question)
    if made is not None:
        before, after = Counter(item.answer.split(" , ")), Counter(made.text.split(" , "))
        assert all(name not in before for name in after - before)
        assert (before - after).total() <= 1


@given(st.integers(0, 10**9), seeds, st.sampled_from(["{}", "there are {} dogs", "{:,} people"]))
def test_a_number_moves_by_one_or_two_and_is_never_negative(value: int, seed: int, form: str) -> None:
    made = inject(form.format(value), "count", seed)
    assert made is not None
    new = int(made.after.split()[0].replace(",", ""))
    assert new >= 0
    assert 1 <= abs(new - value) <= 2


def test_counts_stop_at_the_largest_number_of_the_lexicon() -> None:
    found = {inject(str(LARGEST), "count", seed, tinyworld_lexicon()) for seed in range(20)}
    assert {one.text for one in found if one} == {str(LARGEST - 1), str(LARGEST - 2)}


def texts(text: str, kind: str, **given: object) -> set[str]:
    return {made.text for seed in range(60) if (made := inject(text, kind, seed, **given)) is not None}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("Yes.", "object", {"No."}),
        ("no", "object", {"yes"}),
        ("YES", "object", {"NO"}),
        ("Yes, there is a dog.", "object", {"No, there is no dog."}),
        ("No, there are no cats", "object", {"Yes, there are some cats"}),
        ("No, there isn't an apple", "object", {"Yes, there is an apple"}),
        ("no dogs are here", "attribute", set()),
        ("one dog", "count", {"two dogs", "three dogs"}),
        ("Two red buses", "count", {"Three red buses", "Four red buses"}),
        ("in 3-4 of 10:30", "count", set()),
        ("no one is there", "count", set()),
        ("0", "count", {"1", "2"}),
        ("2.50", "count", {"0.50", "1.50", "3.50", "4.50"}),
        ("It is to the LEFT of it", "relation", {"It is to the RIGHT of it"}),
        ("turned on the phone, all right", "relation", set()),
        ("the cat on top of the box", "relation", {"the cat underneath the box"}),
        ("second", "relation", {"first", "same", "both"}),
        ("an old house", "attribute", {"a young house", "a new house"}),
        ("a black and white cow", "attribute", set()),
        ("an orange hat", "object", set()),
        ("three people", "attribute", set()),
        ("hello world", "object", set()),
        ("", "object", set()),
    ],
)
def test_english_is_changed_with_its_grammar(text: str, kind: str, expected: set[str]) -> None:
    found = texts(text, kind, mode="replace")
    assert found == expected or (text == "second" and found < expected)


def test_objects_are_replaced_by_confusable_ones_in_number_case_and_article() -> None:
    assert texts("Two knives", "object", mode="replace") == {"Two forks", "Two spoons"}
    assert texts("a pair of scissors", "object", mode="replace") == {
        "a pair of hair driers",
        "a pair of toothbrushes",
    }
    assert texts("a banana", "object", mode="replace") == {"an apple", "an orange"}
    assert texts("An apple", "object", mode="replace") == {"An orange", "A banana"}
    assert texts("three sheep", "object", mode="replace") == {"three cows", "three goats"}
    assert texts("a teddy bear", "object", mode="replace") == {"a doll"}
    assert texts("a cat and a dog", "object", mode="replace").isdisjoint({"a dog and a dog", "a cat and a cat"})


def test_objects_are_inserted_into_lists_as_they_are_written() -> None:
    assert texts("a bed, a chair and a tv.", "object", mode="insert") >= {"a bed, a clock, a chair and a tv."}
    assert "dog , cat , frisbee" in texts("dog , cat", "object", mode="insert")
    assert "the cat and the laptop" not in texts("the cat and the dog", "object", mode="insert")
    assert "the cat, the laptop and the dog" in texts("the cat and the dog", "object", mode="insert")
    assert texts("A man is at a dining table.", "object", mode="insert") >= {"A man is at a dining table and a bowl."}
    assert texts("a cat", "object") == texts("a cat", "object", mode="replace")
    assert "a cat and a laptop" in texts("a cat", "object", mode="insert")


def test_what_is_known_to_be_there_is_never_put_in() -> None:
    present = ["forks", "laptop", "couch"]
    assert texts("Two knives", "object", mode="replace", present=present) == {"Two spoons"}
    assert texts("a cat", "object", mode="insert", present=present) == {"a cat and a bed"}


def test_answers_that_a_question_offers_are_exchanged() -> None:
    lexicon = tinyworld_lexicon()
    asked = {"question": "more circles or squares ?", "lexicon": lexicon}
    assert texts("circles", "object", **asked) == {"squares"}
    assert texts("same", "relation", **asked) == {"circles", "squares"}
    assert texts("circles", "object", mode="insert", **asked) == set()
    pair = {"question": "which picture has more red circles ?", "lexicon": lexicon}
    assert texts("same", "relation", **pair) == {"first", "second"}


def test_a_lexicon_grows_by_a_domains_own_words() -> None:
    grown = ENGLISH.with_words(objects=["Resistor", "Capacitor"], attributes=["matte", "glossy"])
    assert inject("two resistors", "object", 0) is None
    assert inject("two resistors", "object", 0, grown).text == "two capacitors"  # type: ignore[union-attr]
    assert inject("a matte box", "attribute", 0, grown).text == "a glossy box"  # type: ignore[union-attr]
    assert texts("a cat", "object", lexicon=grown, mode="replace") == texts("a cat", "object", mode="replace")


def test_english_knows_cocos_objects_and_stands_by_its_own_words() -> None:
    forms = ENGLISH.words["object"]
    names = COCO.replace("\n", " ").split(", ")
    assert len(names) == 80
    assert set(names) <= forms.keys()
    for name, others in ENGLISH.company.items():
        assert forms[name].entry[0] == name
        assert all(forms[other].entry[0] == other != name for other in others)
    for guest in (*ENGLISH.guests, *(one for others in ENGLISH.company.values() for one in others)):
        assert not forms[guest].plural
    assert sum(len(group) for group in ENGLISH.attributes) >= 30
    for groups in (ENGLISH.objects, ENGLISH.attributes, ENGLISH.relations):
        assert all(len(group) > 1 for group in groups)


def vocabulary() -> set[str]:
    file = Path(ratchet.tinyworld.__file__).parent / "seed" / "tokenizer.json"
    return set(json.loads(file.read_text())["model"]["vocab"])


@pytest.mark.parametrize(
    ("kind", "mode", "said"), [("colour", None, "'colour' is unknown"), ("object", "add", "'add'")]
)
def test_unknown_kinds_and_modes_are_refused_by_name(kind: str, mode: str | None, said: str) -> None:
    with pytest.raises(SamplingError, match=said):
        inject("a dog", kind, 0, mode=mode)


def test_long_runs_of_blanks_and_long_texts_are_read_at_once() -> None:
    assert inject("a dog" + " " * 50_000 + "x", "object", 0) is not None
    assert inject("a dog and a cat, " * 300, "object", 0, mode="replace") is not None


@pytest.mark.parametrize("text", ["a blue square", "The square is left of the circle.", "two small red squares"])
def test_a_square_is_no_attribute(text: str) -> None:
    for seed in range(30):
        made = inject(text, "attribute", seed)
        assert made is None or "square" in made.text
