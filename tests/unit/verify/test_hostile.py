"""Hostile completions against every rule: the corpus in tests/corpus, and what hypothesis makes of its pieces."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.records import Group, Verdict
from ratchet.verify import VERIFIERS, apply
from ratchet.verify import text as texts
from ratchet.verify.extract import answers, extract, fenced
from ratchet.verify.limits import within
from ratchet.verify.protocol import Finding, pace_of
from ratchet.verify.rules.boxes import MOST_BOXES, read_boxes, read_points
from ratchet.verify.rules.captions import Lexicon
from ratchet.verify.rules.maths import as_maths, parts
from ratchet.verify.rules.measures import measures
from ratchet.verify.rules.svg import SvgRefused, parse_svg
from ratchet.verify.rules.synonyms import COCO
from tests import rows
from tests.unit.verify.rules_table import CASES, Case, asked, built

CORPUS = Path(__file__).resolve().parents[2] / "corpus"
FILES = sorted(CORPUS.glob("*.txt"))
REPEATED: dict[str, tuple[str, str, int, str]] = json.loads((CORPUS / "repeated.json").read_text())
LIMIT_SECONDS = 10.0
"""The stage's own default for a whole batch of verdicts."""
CONTAINED = {"maths", "json_schema", "python"}
FORMS = {"length", "repetition", "format"}
QUICK = ("one-word", "brackets", "marks")
EACH = pytest.mark.parametrize("case", CASES, ids=str)


def checked(case: Case, text: str) -> Finding:
    """What the rule says, within the stage's limit; contained rules have a small limit of their own."""
    options = {**case.options, **({"seconds": 0.5} if case.name in CONTAINED else {})}
    rule = built(case.name, **options)
    assert pace_of(rule).limited == (case.name not in CONTAINED)
    prompt = asked(case.question, case.reference)

    def check() -> Finding:
        finding: Finding = rule.check(prompt, text)
        return finding

    return check() if case.name in CONTAINED else within(LIMIT_SECONDS, check)


def assert_fits_a_verdict(case: Case, finding: Finding) -> None:
    verdict = Verdict(verifier=case.name, version="1", **finding._asdict())
    assert verdict.model_dump_json()
    if finding.score is None:
        assert (finding.passed, case.name in CONTAINED) == (None, True)
        assert finding.reason in {"timeout", "memory", "crash"}


@pytest.mark.parametrize(
    "case",
    [pytest.param(one, marks=pytest.mark.slow) if one.name == "maths" else one for one in CASES],
    ids=[one.name for one in CASES],
)
def test_the_corpus_neither_stops_a_rule_nor_runs_anything(case: Case, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    assert FILES
    for file in FILES:
        text = file.read_bytes().decode("utf-8", "surrogatepass").replace("{canary}", str(canary))
        assert_fits_a_verdict(case, checked(case, text))
        assert not canary.exists(), file.name


@EACH
@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(REPEATED), marks=pytest.mark.slow)], ids=["some", "all"])
def test_long_and_deep_texts_take_no_more_than_the_limit(case: Case, names: tuple[str, ...]) -> None:
    for start, piece, times, end in map(REPEATED.__getitem__, names):
        assert_fits_a_verdict(case, checked(case, start + piece * times + end))


@pytest.mark.parametrize(
    "file", ["hidden-answer", "two-answers", "box-and-tag-differ", "answer-after-unclosed-thinking"]
)
@pytest.mark.parametrize("case", [case for case in CASES if case.name not in FORMS], ids=str)
def test_no_rule_accepts_an_answer_that_is_hidden_or_not_the_only_one(case: Case, file: str) -> None:
    other = built(case.name, **case.options).corrupt(asked(case.question, case.reference))
    text = (CORPUS / f"{file}.txt").read_text().replace("3", "{right}").replace("4", "{other}")
    assert checked(case, text.replace("{right}", case.reference).replace("{other}", other)).passed is not True


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name not in {*FORMS, "python", "json_schema", "svg"}], ids=str
)
def test_no_rule_is_persuaded(case: Case) -> None:
    assert checked(case, (CORPUS / "prompt-injection.txt").read_text()).passed is False


@pytest.mark.parametrize("name", sorted(VERIFIERS))
def test_a_hostile_completion_leaves_the_others_of_its_group_their_verdicts(name: str) -> None:
    case = next(one for one in CASES if one.name == name)
    nasty = "\x00" + "(" * 50_000 + "9^(9^9)"
    said = (nasty, case.right[0], nasty)
    group = Group(
        prompt=asked(case.question, case.reference, name),
        completions=tuple(rows.completion(i, text) for i, text in enumerate(said)),
    )
    (verified,) = apply([group], None, LIMIT_SECONDS)
    assert verified.completions[1].verdicts[0].passed is True
    assert verified.completions[0].verdicts == verified.completions[2].verdicts


PIECES = [
    "<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "}", "{", "[", "]", "(", ")", "3", "-4", "1e9", ".5", ",", " ",
    "\n", "m", "km/h", "°", "C", "%", "$", "€", "²", "^2", "square ", " per ", "NaN", "three", "yes", "no", "not ", "dog", "hot dog",
    "->", "→", "```", "```json\n", '"bbox_2d":', '"label":', "<svg>", "</svg>", "<!--", "&amp;", "&#0;", "<!DOCTYPE", "a.", "(B)",
    "answer: ", "\u0301", "\ud800", "\x00", "\u202e", "\ufeff", "Ⅷ", "𝟑", "½",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=25).map("".join)
LEXICON = Lexicon(COCO)


def read_svg(text: str) -> None:
    with contextlib.suppress(SvgRefused):
        parse_svg(text)


READERS: dict[str, Callable[[str], Any]] = {
    "answers": answers,
    "boxed answers": lambda text: answers(text, "boxed"),
    "last answers": lambda text: answers(text, "last"),
    "fences": fenced,
    "numbers": lambda text: [float(n) for n in texts.numbers(text)],
    "words": texts.plain_words,
    "measures": lambda text: [(one.number, str(one), hash(one)) for one in measures(text)],
    "boxes": lambda text: [one.area for one in read_boxes(text)],
    "points": read_points,
    "objects": LEXICON.named,
    "formulas": lambda text: [as_maths(one) for one in parts(text, "auto")],
    "svg": read_svg,
}


@pytest.mark.parametrize("reader", sorted(READERS))
@settings(deadline=None, max_examples=120)
@given(text=TEXT)
def test_no_text_breaks_a_reader(reader: str, text: str) -> None:
    READERS[reader](text)


@settings(deadline=None, max_examples=100)
@given(text=TEXT)
def test_what_first_and_last_choose_is_one_of_the_readings(text: str) -> None:
    every = extract(text, texts.numbers).readings
    for where in ("first", "last"):
        found = extract(text, texts.numbers, where)  # type: ignore[arg-type]
        assert (found.value in every) if every else found.value is None


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in CONTAINED], ids=str)
@settings(deadline=None, max_examples=40)
@given(text=TEXT)
def test_fuzzed_completions_get_a_score_from_every_rule(case: Case, text: str) -> None:
    finding = checked(case, text)
    assert finding.score is not None
    assert_fits_a_verdict(case, finding)


def test_more_boxes_than_anybody_draws_are_not_matched() -> None:
    case = next(one for one in CASES if one.name == "detection")
    assert checked(case, "[1, 2, 3, 4] " * (MOST_BOXES + 1)).reason == "too_long"
