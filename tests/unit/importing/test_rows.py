from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ratchet.importing import ImportOptions
from ratchet.importing.answers import choice_letter, choice_texts, default_verifier, reference_text, with_choices
from ratchet.importing.columns import FIELDS, ColumnMap
from ratchet.importing.formats import RawRow
from ratchet.importing.options import RowRefused
from ratchet.importing.pictures import Pictures, describe
from ratchet.importing.row import RowReader
from ratchet.importing.source import Source, open_source
from ratchet.importing.survey import check
from ratchet.records import Group
from ratchet.verify import VERIFIERS
from ratchet.verify.rules import options as listed_options
from tests import rows
from tests.unit.importing.samples import folder_of, png, rows_of

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=12)
    | st.sampled_from(["images/0.png", "A", "yes", "[1, 2]", "{}", "exact", "user", "data:image/png;base64,AAAA"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "bytes", "path", "A", "B", "type", "text"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return open_source(str(folder_of(tmp_path_factory.mktemp("rows"), rows_of(1))))


def refusal_of(attempt: Callable[[], object]) -> RowRefused | None:
    """The refusal that an attempt ends with; any other exception is a failure of the test."""
    try:
        attempt()
    except RowRefused as refusal:
        return refusal
    return None


@settings(max_examples=300, deadline=None)
@example(changes={"images": {"bytes": "\x80"}}, split_by=None, split_column=None)
@given(
    changes=st.dictionaries(st.sampled_from([*FIELDS, "document", "split"]), values, max_size=4),
    split_by=st.sampled_from([None, "document"]),
    split_column=st.sampled_from([None, "split"]),
)
def test_whatever_a_row_holds_it_becomes_a_draft_or_is_refused(
    source: Source, changes: dict[str, Any], split_by: str | None, split_column: str | None
) -> None:
    options = ImportOptions(name="dots", split_by=split_by, split_column=split_column)
    row = RawRow(source.tables[0], 1, {"images": "images/0.png", "question": "how many?", "reference": "1", **changes})
    reader = RowReader(options, Pictures(source, options.max_pixels))
    refusal = refusal_of(lambda: check(reader.draft(row)))
    assert refusal is None or (refusal.reason.replace("_", "").isalpha() and refusal.detail)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 60))
def test_whatever_bytes_a_picture_has_it_is_described_or_refused(noise: bytes, place: int) -> None:
    whole = png(3)
    for data in (noise, whole[:place] + noise + whole[place + len(noise) :], whole[:8] + noise):
        refusal = refusal_of(partial(describe, data, "0" * 64, 1000))
        assert refusal is None or refusal.reason.endswith("_picture")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (True, "yes"),
        (False, "no"),
        (" red ", "red"),
        ("", None),
        (None, None),
        (float("nan"), None),
        (["a", "b"], "a, b"),
        (["same", "same"], "same"),
        ([], None),
    ],
)
def test_references_become_text(value: Any, text: str | None) -> None:
    assert reference_text(value) == text


@pytest.mark.parametrize(
    ("reference", "verifier"),
    [
        ("12", "numeric"),
        ("-0.5", "numeric"),
        ("1,234.5", "numeric"),
        ("45%", "numeric"),
        ("Yes", "yes_no"),
        ("no.", "yes_no"),
        ("red, small dog", "set_f1"),
        ("The dog, which is on the left side, sleeps", "exact"),
        ("A", "exact"),
        ("12 Main Street", "exact"),
        ("150 cm", "numeric"),
        ("150cm", "numeric"),
        ("$1,250.50", "numeric"),
        ("3 square meters", "numeric"),
        ("60 km/h", "numeric"),
        ("21 °C", "numeric"),
        ("twelve inches", "numeric"),
        ("3 in the box", "exact"),
        ("5cm wide", "exact"),
        ("3 dogs", "exact"),
        ("10K", "exact"),
        ("2 m , 3 m", "set_f1"),
        ("\\frac{1}{2}", "maths"),
        ("$\\dfrac{3}{4}$", "maths"),
        ("2\\sqrt{3} , 5", "maths"),
        ("\\boxed{2\\pi}", "maths"),
        ("\\boxed{12}", "numeric"),
        ("<answer>yes</answer>", "yes_no"),
        ("\\boxed{cat}", "exact"),
        ("C:\\Users\\pictures", "exact"),
        ("\\fraction", "exact"),
    ],
)
def test_the_verifier_follows_the_shape(reference: str, verifier: str) -> None:
    assert default_verifier(reference, has_choices=False) == verifier


@pytest.mark.parametrize(
    ("reference", "right", "wrong"),
    [
        ("150 cm", "1.5 m", "150 m"),
        ("\\boxed{12}", "it is 12.0", "13"),
        ("$\\frac{1}{2}$", "0.5", "\\frac{1}{3}"),
        ("<answer>60 km/h</answer>", "60 kilometers per hour", "60 mph"),
    ],
)
def test_the_verifier_of_the_shape_reads_the_reference_and_another_way_to_say_it(
    reference: str, right: str, wrong: str
) -> None:
    rule = VERIFIERS[default_verifier(reference, has_choices=False)]
    asked = rows.prompt(reference=reference)
    assert rule.self_check(asked) is None
    said = Group(prompt=asked, completions=(rows.completion(0, right), rows.completion(1, wrong)))
    assert [one.passed for one in rule.verify([said])[0]] == [True, False]


@settings(max_examples=60)
@given(
    st.lists(
        st.text("abcdefg XYZ.", min_size=1, max_size=8).filter(str.strip),
        min_size=2,
        max_size=8,
        unique_by=lambda t: " ".join(t.split()),
    )
)
def test_a_choices_text_gives_the_letter_that_the_verifier_reads(texts: list[str]) -> None:
    choices = choice_texts(texts)
    for number, text in enumerate(choices):
        if len(text) > 1:
            assert choice_letter(text, choices) == "ABCDEFGH"[number]
    assert with_choices("which?", choices).splitlines()[0] == "which?"


def test_the_choice_verifier_reads_the_choices_as_they_are_written() -> None:
    assert listed_options(with_choices("Which animal?", ["black cat", "dog"])) == {"a": "black cat", "b": "dog"}


def test_named_columns_win_and_case_does_not_matter() -> None:
    columns = ColumnMap({"question": "prompt_text"}, ())
    assert columns.of(["Image", "Question", "prompt_text", "ANSWER"]) == {
        "images": ("Image",),
        "question": ("prompt_text",),
        "reference": ("ANSWER",),
    }
    assert columns.unused() == ("Question",)
    assert ColumnMap({"skill": "gone"}, ()).missing() == ("gone",)


def test_a_table_in_a_cache_folder_of_the_hub_is_covered_with_its_blobs(tmp_path: Path) -> None:
    snapshot = tmp_path / "datasets--o--n" / "snapshots" / "abc"
    blobs = tmp_path / "datasets--o--n" / "blobs"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (blobs / "1").write_text("{}\n")
    (snapshot / "rows.jsonl").symlink_to("../../blobs/1")
    found = open_source(str(snapshot))
    assert [table.name for table in found.tables] == ["rows.jsonl"]
    assert not found.leads_out(found.tables[0].key)
