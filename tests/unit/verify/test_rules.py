from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.records import Message, Prompt
from ratchet.verify import VERIFIERS, parse_objects, self_check, yes_no_answer
from ratchet.verify.rules import options
from tests import rows

REFERENCES = {
    "exact": "top left",
    "numeric": "3",
    "choice": "circles",
    "yes_no": "yes",
    "set_f1": "a , b",
    "objects": "red circle , red circle",
}


def asked(question: str, reference: str | None, *verifiers: str) -> Prompt:
    return Prompt.make(
        messages=[Message(role="user", content=question)],
        images=[rows.image_ref()],
        skill="s",
        source="test",
        reference=reference,
        verifiers=verifiers,
    )


def found(name: str, reference: str, text: str, question: str = "what ?") -> tuple[float | None, bool | None, str]:
    return VERIFIERS[name].check(asked(question, reference), text)[:3]  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("name", "reference", "right"),
    [
        ("exact", "top left", " Top left."),
        ("exact", "top left", "<answer>top left</answer>"),
        ("numeric", "3", "three"),
        ("numeric", "3", "3.0"),
        ("choice", "circles", "Circles"),
        ("yes_no", "yes", "Yes, there is."),
        ("set_f1", "a , b", "b, a, a"),
        ("objects", "red circle , blue square , red circle", "red circle, red circle, blue square"),
    ],
)
def test_right_answers_pass(name: str, reference: str, right: str) -> None:
    assert found(name, reference, right) == (1.0, True, "match")


@pytest.mark.parametrize(
    ("name", "reference", "text", "reason"),
    [
        ("exact", "top left", "top right", "wrong"),
        ("exact", "top left", "", "unparsed"),
        ("exact", "top left", "<answer>top left</answer><answer>top right</answer>", "ambiguous"),
        ("exact", "circle", "сircle", "wrong"),
        ("numeric", "3", "4", "wrong"),
        ("numeric", "3", "3 or 4", "ambiguous"),
        ("numeric", "3", "NaN", "unparsed"),
        ("numeric", "3", "inf", "unparsed"),
        ("numeric", "3", "__import__('os').system('true') or 3.0.0", "unparsed"),
        ("yes_no", "yes", "no", "wrong"),
        ("yes_no", "yes", "yes and no", "ambiguous"),
        ("yes_no", "yes", "perhaps", "unparsed"),
        ("set_f1", "a , b", "c", "wrong"),
        ("objects", "a", " , ", "unparsed"),
    ],
)
def test_wrong_answers_score_zero_with_a_reason(name: str, reference: str, text: str, reason: str) -> None:
    assert found(name, reference, text) == (0.0, False, reason)


@pytest.mark.parametrize("name", sorted(VERIFIERS))
def test_a_megabyte_of_text_is_wrong_and_quick(name: str) -> None:
    for text in ("a" * 1_000_000, "1,no. " * 30_000):
        assert found(name, REFERENCES[name], text)[1] is False


@pytest.mark.parametrize("name", sorted(VERIFIERS))
@settings(deadline=None, max_examples=40)
@given(text=st.text(max_size=60))
def test_no_text_crashes_a_rule_and_every_score_fits_its_verdict(name: str, text: str) -> None:
    score, passed, reason = found(name, REFERENCES[name], text)
    assert score is not None
    assert 0 <= score <= 1
    assert passed == (score == 1)
    assert reason


LETTERED = "Which colour? A. red B. blue C. green"


@pytest.mark.parametrize("text", ["B", "b.", "(B)", "B. blue", "blue", "The answer is B", "<answer>B</answer>"])
def test_an_option_is_its_letter_or_its_text(text: str) -> None:
    assert found("choice", "B", text, LETTERED) == (1.0, True, "match")
    assert found("choice", "blue", text, LETTERED) == (1.0, True, "match")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("C", "wrong"), ("B. red", "ambiguous"), ("purple", "unparsed"), ("answer: A or answer: B", "ambiguous")],
)
def test_other_options_fail(text: str, reason: str) -> None:
    assert found("choice", "B", text, LETTERED) == (0.0, False, reason)


def test_options_are_listed_in_lines_or_in_one() -> None:
    assert options("Pick:\n(A) one dog\n(B) two dogs\nAnswer now.") == {"a": "one dog", "b": "two dogs"}
    assert options("is there a dog ?") == {}


def test_captions_count_every_object_and_score_by_f1() -> None:
    finding = VERIFIERS["objects"].check(asked("list", "red circle , red circle , dog"), "red circle , cat")  # type: ignore[attr-defined]
    assert (finding.score, finding.passed, finding.reason) == (pytest.approx(2 / 5), False, "partial")
    assert {p.name: p.score for p in finding.parts} == {"dog": 0.0, "red circle": 0.5, "cat": 0.0}


def test_sets_ignore_how_often_and_objects_do_not() -> None:
    assert found("set_f1", "a , b", "a , a , b")[1] is True
    assert found("objects", "a , b", "a , a , b")[1] is False


def test_objects_and_yes_no_are_read_for_evaluation() -> None:
    assert parse_objects("<answer>dog , Dog, cat.</answer>") == Counter({"dog": 2, "cat": 1})
    assert parse_objects("<answer>dog") == Counter()
    assert (yes_no_answer("Yes."), yes_no_answer("no"), yes_no_answer("yes no")) == (True, False, None)


@pytest.mark.parametrize(("name", "reference"), sorted(REFERENCES.items()))
def test_self_check_accepts_good_references(name: str, reference: str) -> None:
    assert self_check(asked("what ?", reference, name)) is None


@pytest.mark.parametrize(
    ("names", "reference", "says"),
    [
        (("numeric",), "many", "does not accept the reference 'many'"),
        (("yes_no",), "perhaps", "does not accept"),
        (("exact",), "...", "does not accept"),
        (("numeric",), None, "needs a reference"),
        (("numeric", "magic"), "3", "no verifier 'magic'; known: choice, exact"),
        ((), "3", "names no verifier"),
    ],
)
def test_self_check_says_what_is_wrong(names: tuple[str, ...], reference: str | None, says: str) -> None:
    complaint = self_check(asked("what ?", reference, *names))
    assert complaint is not None
    assert says in complaint


def test_a_reference_that_cannot_be_read_leaves_answers_unscored() -> None:
    assert found("numeric", "many", "3") == (None, None, "bad_reference")
