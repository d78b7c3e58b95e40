"""What is alike in all suites of multiple choice and maths: their rows become questions, and a wrong file is told."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ratchet.evaluate.suites import FileProblem, suite
from ratchet.evaluate.suites.options import LETTERS
from tests.unit.evaluate.suites.samples import SAMPLES, Sample, answered, figures, loaded
from tests.unit.evaluate.suites.test_hostile_answers import ANSWERS, numbers

EACH = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)


@EACH
def test_a_row_of_the_published_file_becomes_a_question(sample: Sample, tmp_path: Path) -> None:
    first = loaded(sample.suite, sample.write(tmp_path))[0]
    assert (first.text, first.reference, first.category) == (sample.text, sample.reference, sample.category)
    assert len(first.pictures) == sample.pictures


@EACH
def test_references_are_right_and_silence_is_wrong_and_unparsed(sample: Sample, tmp_path: Path) -> None:
    questions = loaded(sample.suite, sample.write(tmp_path))
    right = figures(sample.suite, questions, lambda q: q.reference or "")
    none = figures(sample.suite, questions, lambda q: "")
    primary = suite(sample.suite).primary
    assert (right[primary], right["unparsed"]) == (1.0, 0.0)
    assert (none[primary], none["unparsed"]) == (0.0, 1.0)


@EACH
def test_a_missing_file_is_told_with_what_was_looked_for(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileProblem, match=r"has no file .*; there are: notes.txt"):
        loaded(sample.suite, tmp_path)


@EACH
def test_a_missing_column_is_told_with_file_and_row(sample: Sample, tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != sample.needed} for row in sample.rows]
    with pytest.raises(FileProblem, match=rf"{sample.file}, row 1: no .*{sample.needed}"):
        loaded(sample.suite, sample.write(tmp_path, rows))


@pytest.mark.parametrize(
    "sample",
    [s for s in SAMPLES.values() if s.wrong is not None],
    ids=[n for n, s in SAMPLES.items() if s.wrong is not None],
)
def test_a_reference_that_is_no_option_is_told(sample: Sample, tmp_path: Path) -> None:
    rows = sample.changed(**{sample.answer: sample.wrong})
    with pytest.raises(
        FileProblem, match=rf"{sample.file}, row 1: {sample.answer} is '.*', which is none of the options A"
    ):
        loaded(sample.suite, sample.write(tmp_path, rows))


@pytest.mark.parametrize("sample", [s for s in SAMPLES.values() if s.key], ids=[n for n, s in SAMPLES.items() if s.key])
def test_a_key_that_comes_twice_is_told(sample: Sample, tmp_path: Path) -> None:
    folder = sample.write(tmp_path, [*sample.rows, sample.rows[0]])
    with pytest.raises(FileProblem, match=rf"row {len(sample.rows) + 1}: its key .* is that of .*row 1 already"):
        loaded(sample.suite, folder)


def test_the_samples_cover_the_letters() -> None:
    assert {s.reference for s in SAMPLES.values() if s.wrong is not None} <= {*LETTERS}


FIRST = {sample.suite: sample for sample in reversed(SAMPLES.values())}
"""One sample a suite."""
QUICK = (
    "",
    "\x00",
    "NaN",
    "inf",
    "1e999",
    "yes " * 20_000,
    "9" * 20_000,
    "A or B " * 2_000,
    "[" * 5_000,
    "\\boxed{" * 500,
)
"""For suites that ask math-verify: the corpus holds what only its time limit ends."""


@pytest.mark.parametrize("name", FIRST)
def test_whatever_a_model_writes_is_marked_and_figures_are_finite(name: str, tmp_path: Path) -> None:
    first = loaded(name, FIRST[name].write(tmp_path))[:1]
    said = QUICK if suite(name).family == "maths" else ANSWERS
    rows = [row for one in said for row in answered(name, first, lambda _, one=one: one)]  # type: ignore[misc]
    assert all(row.mark.score is None or 0 <= row.mark.score <= 1 for row in rows)
    assert all(map(math.isfinite, numbers(suite(name).metrics(rows))))


@pytest.mark.parametrize("name", FIRST)
def test_figures_of_nothing_are_not_defined(name: str) -> None:
    assert suite(name).metrics([])[suite(name).primary] is None
