from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.recipe.verifiers import FAMILIES, _names
from ratchet.records import Part
from ratchet.verify import VERIFIERS, parse_objects, rules, self_check, yes_no_answer
from ratchet.verify.extract import AMBIGUOUS
from ratchet.verify.rules import RULE_BUILDERS, options
from tests.unit.verify.rules_table import CASES, Case, asked, built, found

EACH = pytest.mark.parametrize("case", CASES, ids=str)
NO_REFERENCE = {"json_schema", "python", "svg", "format", "length", "repetition"}


def test_every_rule_of_the_recipe_has_a_builder_a_case_and_a_row_in_the_table() -> None:
    rows = {line.split("|")[1].strip() for line in (rules.__doc__ or "").splitlines() if line.startswith("| ")} - {
        "name"
    }
    assert {*RULE_BUILDERS} == _names(FAMILIES["rule"]) == {case.name for case in CASES} == rows


def test_prompts_may_name_every_rule_that_needs_no_option() -> None:
    assert {*RULE_BUILDERS} - {*VERIFIERS} == {"json_schema", "length"}


@EACH
def test_right_answers_pass_and_wrong_ones_fail(case: Case) -> None:
    rule = built(case.name, **case.options)
    prompt = asked(case.question, case.reference)
    assert {text: rule.check(prompt, text).passed for text in case.right} == dict.fromkeys(case.right, True)
    assert {text: rule.check(prompt, text).passed for text in case.wrong} == dict.fromkeys(case.wrong, False)


@EACH
def test_gold_is_accepted_and_corrupted_gold_rejected(case: Case) -> None:
    rule = built(case.name, **case.options)
    prompt = asked(case.question, case.reference)
    assert rule.self_check(prompt) is None
    assert rule.check(prompt, rule.right_answer(prompt)).passed is True
    assert rule.check(prompt, rule.corrupt(prompt)).passed is False


@pytest.mark.parametrize("answer", ["boxed", "tagged", "first", "last", "whole"])
@pytest.mark.parametrize("case", [c for c in CASES if c.name not in NO_REFERENCE], ids=str)
def test_gold_is_accepted_wherever_the_recipe_wants_the_answer(case: Case, answer: str) -> None:
    assert built(case.name, answer=answer, **case.options).self_check(asked(case.question, case.reference)) is None


@EACH
def test_a_label_is_what_verdicts_are_called_by(case: Case) -> None:
    rule = built(case.name, label="mine", **case.options)
    assert rule.name == "mine"
    assert rule.version


@pytest.mark.parametrize("case", [c for c in CASES if c.name not in NO_REFERENCE], ids=str)
def test_a_reference_that_cannot_be_read_leaves_answers_unscored(case: Case) -> None:
    finding = built(case.name, **case.options).check(asked(case.question, "..."), case.right[0])
    assert finding[:3] == (None, None, "bad_reference")


@pytest.mark.parametrize("case", [c for c in CASES if c.name not in {"length", "repetition", "format"}], ids=str)
def test_two_different_marked_answers_are_ambiguous_in_any_order(case: Case) -> None:
    right, wrong = case.reference, built(case.name, **case.options).corrupt(asked(case.question, case.reference))
    for one, other in ((right, wrong), (wrong, right)):
        text = f"<answer>{one}</answer> <answer>{other}</answer>"
        assert found(case.name, case.reference, text, case.question, **case.options)[:3] == (0.0, False, AMBIGUOUS)


@pytest.mark.parametrize("case", [c for c in CASES if c.name not in {"length", "repetition", "format"}], ids=str)
def test_what_is_said_while_thinking_is_no_answer(case: Case) -> None:
    hidden = f"<think>{case.reference}</think> I cannot say"
    assert found(case.name, case.reference, hidden, case.question, **case.options).passed is not True
    assert found(case.name, case.reference, f"<think>{case.reference}", case.question, **case.options).passed is False


@pytest.mark.parametrize(
    ("answer", "text", "passed"),
    [
        ("first", "3, no, 4", True), ("last", "3, no, 4", False), ("last", "4, 3, 4", False), ("last", "4 or 3", True),
        ("whole", "<answer>3</answer>", True), ("whole", "4 <answer>3</answer>", False), ("boxed", "\\boxed{3} or 4", True),
        ("boxed", "3", False), ("boxed", "<answer>3</answer>", False), ("tagged", "\\boxed{4} <answer>3</answer>", True),
        ("tagged", "3", False), ("last", "<answer>3</answer> \\boxed{4}", False), ("first", "\\boxed{4} <answer>3</answer>", False),
        ("first", "\\boxed{3} <answer>4</answer>", True), ("auto", "3, no, 4", False),
    ],
)  # fmt: skip
def test_the_recipe_says_where_the_answer_stands(answer: str, text: str, passed: bool) -> None:
    assert found("numeric", "3", text, answer=answer).passed is passed


@EACH
@settings(deadline=None, max_examples=25)
@given(text=st.text(max_size=60))
def test_every_score_fits_its_verdict(case: Case, text: str) -> None:
    score, passed, reason = found(case.name, case.reference, text, case.question, **case.options)[:3]
    assert score is not None
    assert 0 <= score <= 1
    assert passed or score < 1
    assert reason


LETTERED = "Which colour? A. red B. blue C. green"


@pytest.mark.parametrize("text", ["B", "b.", "(B)", "B. blue", "blue", "The answer is B", "<answer>B</answer>"])
def test_an_option_is_its_letter_or_its_text(text: str) -> None:
    assert found("choice", "B", text, LETTERED)[:3] == (1.0, True, "match")
    assert found("choice", "blue", text, LETTERED)[:3] == (1.0, True, "match")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("C", "wrong"), ("B. red", "ambiguous"), ("purple", "unparsed"), ("answer: A or answer: B", "ambiguous")],
)
def test_other_options_fail(text: str, reason: str) -> None:
    assert found("choice", "B", text, LETTERED)[:3] == (0.0, False, reason)


def test_options_are_listed_in_lines_or_in_one() -> None:
    assert options("Pick:\n(A) one dog\n(B) two dogs\nAnswer now.") == {"a": "one dog", "b": "two dogs"}
    assert options("is there a dog ?") == {}


def test_captions_count_every_object_and_score_by_f1() -> None:
    finding = found("objects", "red circle , red circle , dog", "red circle , cat")
    assert (finding.score, finding.passed, finding.reason) == (pytest.approx(2 / 5), False, "partial")
    assert {p.name: p.score for p in finding.parts} == {"dog": 0.0, "red circle": 0.5, "cat": 0.0}


def test_sets_ignore_how_often_and_objects_do_not() -> None:
    assert found("set_f1", "a , b", "a , a , b").passed is True
    assert found("objects", "a , b", "a , a , b").passed is False
    assert found("set_f1", "a , b", "a , b , c", passes=0.8).passed is True


@pytest.mark.parametrize(
    "answer",
    [
        "cat, dog", "- cat\n- dog", "* Dog\n* cat\n", "1. cat\n2. dog", "I see:\n\n- cat\n- dog\n", '["cat", "dog"]',
        '```json\n["dog", "cat"]\n```', "<answer>- dog\n- cat</answer>",
    ],
)  # fmt: skip
def test_lists_of_json_and_markdown_are_lists(answer: str) -> None:
    assert found("set_f1", "cat, dog", answer).passed is True
    assert found("objects", "cat, dog", answer).passed is True
    assert found("set_f1", "cat, bird", answer).passed is False


def test_an_ordering_may_be_numbered_or_json() -> None:
    for right in ("1. cat\n2. dog\n3. cow", "From left to right:\n1) cat\n2) dog\n3) cow", '["cat", "dog", "cow"]'):
        assert found("ordering", "cat , dog , cow", right).passed is True
    assert found("ordering", "cat , dog , cow", "1. dog\n2. cat\n3. cow").passed is False


def test_what_only_looks_like_such_a_list_is_read_with_commas() -> None:
    assert found("set_f1", "[cat], -dog", "-dog, [cat]").passed is True
    assert found("set_f1", "cat, dog", "a bird\n- cat\n- dog").passed is False
    assert found("set_f1", "cat, dog", '["cat", 1]').passed is False
    assert found("set_f1", "cat, dog", '["cat", "dog"').passed is False


def test_objects_and_yes_no_are_read_for_evaluation() -> None:
    assert parse_objects("<answer>dog , Dog, cat.</answer>") == Counter({"dog": 2, "cat": 1})
    assert parse_objects("<answer>dog") == Counter()
    assert (yes_no_answer("Yes."), yes_no_answer("no"), yes_no_answer("yes no")) == (True, False, None)


@pytest.mark.parametrize(
    ("given", "score"),
    [("a, b, c, d", 1.0), ("d, c, b, a", 0.0), ("b, a, c, d", 5 / 6), ("a, b, c", 0.5), ("a, b, c, d, e", 0.6), ("a, a, b", 0.0)],
)  # fmt: skip
def test_an_ordering_scores_by_the_pairs_that_stand_right(given: str, score: float) -> None:
    assert found("ordering", "a, b, c, d", given).score == pytest.approx(score)


def test_anls_is_0_below_a_half_and_edits_are_not() -> None:
    assert found("anls", "abcd", "abcx").score == 0.75
    assert found("anls", "abcd", "axxx").score == 0.0
    assert found("edits", "abcd", "axxx").score == 0.25
    assert found("anls", "12 Main St | 12 main street", "12 Main Street", alternatives="|").passed is True
    assert found("edits", "abcd", "abcx", passes=0.7)[1:3] == (True, "close")


def test_a_chart_reads_text_where_the_reference_is_text() -> None:
    assert found("chart", "France", "france.").passed is True
    assert found("chart", "2019 budget", "2019").passed is False
    assert found("chart", "45%", "46").passed is True
    assert found("chart", "45%", "0.45").passed is False


def test_captions_know_synonyms_and_plurals_and_the_longest_name() -> None:
    finding = found("caption", "hot dog, couch", "Two hotdogs on a sofa beside a teddy bear, but no cat")
    assert finding.score == pytest.approx(0.8)
    assert finding.parts == (
        Part(name="couch", score=1.0),
        Part(name="hot dog", score=1.0),
        Part(name="teddy bear", score=0.0),
    )
    assert found("caption", "couch, dog", "a sofa", score="precision").score == 1.0
    assert found("caption", "couch, dog", "a sofa", score="recall").score == 0.5
    assert found("caption", "dog", "it is hot, dog").passed is True
    assert found("caption", "dog", "no dog")[:3] == (0.0, False, "nothing_named")


def test_a_recipe_brings_its_own_objects_inline_or_as_a_file(tmp_path: Any) -> None:
    table = {"red circle": ["crimson disc", "red disc"], "blue square": []}
    (tmp_path / "objects.yaml").write_text("red circle: [crimson disc, red disc]\nblue square: []\n")
    for synonyms in (table, str(tmp_path / "objects.yaml")):
        finding = found("caption", "red circle", "a crimson disc and a dog", table="none", synonyms=synonyms)
        assert finding.passed is True
    with pytest.raises(ValueError, match=r"there is no file 'gone\.yaml'"):
        built("caption", synonyms="gone.yaml")
    with pytest.raises(ValueError, match="needs synonyms"):
        built("caption", table="none")


def test_length_falls_softly_beyond_its_bound() -> None:
    scores = [found("length", "3", "x" * n, most=10, soft=10, unit="characters").score for n in (10, 15, 20, 30)]
    assert scores == [1.0, 0.5, 0.0, 0.0]


def test_formats_with_boxes_and_begun_thoughts() -> None:
    assert found("format", "3", "<think>a</think>so \\boxed{3}", form="boxed").passed is True
    assert found("format", "3", "so \\boxed{3}", form="boxed").passed is True
    assert found("format", "3", "\\boxed{3} or \\boxed{4}", form="boxed").reason == "boxes"
    assert found("format", "3", "a</think><answer>3</answer>", begun=True).passed is True
    assert found("format", "3", "<think>a</think><answer>\\boxed{3}</answer>", form="tags_boxed").passed is True
    assert found("format", "3", "<think>a</think><answer>3</answer>", form="tags_boxed").passed is False


@pytest.mark.parametrize(
    ("names", "reference", "says"),
    [
        (("numeric",), "many", "does not accept the reference 'many'"),
        (("yes_no",), "perhaps", "does not accept"),
        (("exact",), "...", "does not accept"),
        (("numeric",), None, "needs a reference"),
        (("numeric", "magic"), "3", "no verifier 'magic'; known: anls, caption"),
        ((), "3", "names no verifier"),
        (("iou",), "[5, 5, 1, 1]", "does not accept"),
        (("caption",), "red circle", "does not accept"),
        (("ordering",), "a, a", "does not accept"),
    ],
)
def test_self_check_says_what_is_wrong(names: tuple[str, ...], reference: str | None, says: str) -> None:
    complaint = self_check(asked("what ?", reference, *names))
    assert complaint is not None
    assert says in complaint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "json_schema", "fits": {"$ref": "http://x.org/s"}}, "nothing is fetched"),
        ({"name": "json_schema", "fits": {"type": "number of dogs"}}, "no JSON Schema"),
        ({"name": "json_schema", "fits": {"enum": ["x" * 30_000]}}, "describe less"),
        ({"name": "length", "most": 3, "least": 4}, "least 4 is above most 3"),
        ({"name": "iou", "scale": "fraction", "resize": {"longest_edge": 48}}, "resize has no meaning"),
        ({"name": "iou", "resize": {"least_pixels": 9, "most_pixels": 4}}, "least_pixels 9 is above"),
        ({"name": "numeric", "answer": "middle"}, "auto"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_with_the_recipe(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        built(**options)
